"""`python -m voicemill` is the `voicemill` command."""

from voicemill.cli import main

main()
