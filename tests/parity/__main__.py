"""`python -m tests.parity DIR` in a checkout is `voicemill parity DIR`."""

import typer

from voicemill.cli.parity import parity

typer.run(parity)
