"""One small program per stage, thin over the library: `python -m voicemill.stages.slice --help`."""

from voicemill.contract.renames import FormerModules

FormerModules(__name__).install()
