"""Runs on a Kubernetes cluster: submit, follow, stop and resume them; say what a cluster lacks for them."""
