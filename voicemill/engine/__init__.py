"""The embedded engine: runs a compiled Argo Workflow on this machine, no cluster."""
