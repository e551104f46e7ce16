"""The stage contract: one declaration gives a command line and an Argo container template.

@stage(family="audio", cpu=1, memory="2Gi", results=("clips",))
def slice_clips(audio: InputDir, clips: OutputDir, *, max_seconds: float = 15.0) -> Ledger:
    ...

if __name__ == "__main__":
    slice_clips.main()
"""

from voicemill.contract.declaration import (
    BaseWeights,
    Destination,
    FileLocation,
    FolderLocation,
    InputDir,
    InputFile,
    Location,
    OutputDir,
    OutputFile,
    Overrides,
    Seed,
    StateDir,
    TextOrFile,
    VoiceLocation,
    VoiceLocations,
)
from voicemill.contract.ledger import Ledger
from voicemill.contract.progress import check_stop, progress, stop_requested
from voicemill.contract.retries import micro_batch_divisor
from voicemill.contract.stages import Stage, stage
from voicemill.contract.template import MoreGpuMemory

__all__ = [
    "BaseWeights",
    "Destination",
    "FileLocation",
    "FolderLocation",
    "InputDir",
    "InputFile",
    "Ledger",
    "Location",
    "MoreGpuMemory",
    "OutputDir",
    "OutputFile",
    "Overrides",
    "Seed",
    "Stage",
    "StateDir",
    "TextOrFile",
    "VoiceLocation",
    "VoiceLocations",
    "check_stop",
    "micro_batch_divisor",
    "progress",
    "stage",
    "stop_requested",
]
