"""Golden numbers of the reference implementation, and the runner that compares ours with them."""
