"""The Argo workflows, by Hera: one file each, its golden YAML in charts/voicemill/workflows."""
