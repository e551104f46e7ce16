"""How well a voice speaks: metrics, held-out sentences, speaker similarity, comparing voices, the promotion gate."""
