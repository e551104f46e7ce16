"""Building a voice as CI does: not again if nothing changed, and promoted only if it is not worse."""
