"""A base to fine-tune from, made from nothing: a corpus by free synthesizers, a content encoder, fresh models."""
