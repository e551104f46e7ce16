"""Speaking with a voice: loading it, scripts of lines, batches that resume, bulk scripts."""
