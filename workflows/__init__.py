"""The Argo workflows, by Hera: one file each, its golden YAML beside it."""
