"""Weights on disk: a safe reader of checkpoints, and writers of safetensors and of GPT-SoVITS's own formats."""
