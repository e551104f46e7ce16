"""What the models are fed with: HuBERT, BERT, speaker vectors, spectrograms, semantic tokens."""
