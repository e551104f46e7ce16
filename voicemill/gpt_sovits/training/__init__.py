"""What the training of both models shares: the loop, the state that survives a kill, the monitor."""
