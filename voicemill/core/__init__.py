"""What every other part of voicemill stands on: names, paths and files that may come from strangers."""
