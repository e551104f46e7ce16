"""GPT-SoVITS's models, their data, training and synthesis; knows nothing of stages, storage or Kubernetes."""
