"""`python -m voicemill` is the `voicemill` command."""

from voicemill.cli.main import main

main()
