from tests.shared import SHARED

# These go through the shared collection of recordings; where it is not, there is nothing to go through.
collect_ignore = [] if SHARED else ["test_ingest_hard.py", "test_slice_known_utterances.py"]
