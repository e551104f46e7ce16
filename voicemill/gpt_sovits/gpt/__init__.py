"""The first of the two models: phonemes to semantic tokens, one token after the other (the reference's "s1", "GPT")."""
