"""Fast forms of operations for CPUs, each behind an interface with a plain torch form."""
