"""SoVITS v3 and v4: a diffusion transformer draws mel spectrograms by flow matching, a vocoder speaks them."""
