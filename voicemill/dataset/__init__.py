"""Training data of a voice: labels, clip names, the features of a clip, and a review applied to them."""
