"""The stages that make a voice, by their modules below `voicemill.stages`."""

STAGES = (
    "ingest",
    "separate",
    "assess_quality",
    "dereverb",
    "denoise",
    "normalize",
    "slice",
    "identify_speakers",
    "transcribe",
    "apply_review",
    "format",
    "train_sovits",
    "train_gpt",
    "evaluate",
    "publish",
)
"""Their code counts in the digest of a build, and is named in a voice's lineage."""
