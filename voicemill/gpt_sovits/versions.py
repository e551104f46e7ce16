"""The versions of GPT-SoVITS. What tells them apart stands here, one entry each; everything else asks this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Version = Literal["v1", "v2", "v2Pro", "v2ProPlus", "v3", "v4"]
VERSIONS: tuple[Version, ...] = get_args(Version)


@dataclass(frozen=True)
class MelSpec:
    """The mel spectrogram that flow matching draws, and what becomes of it.

    Attributes:
        rate: Sampling rate of the audio that it is taken of, in Hz.
        n_fft: Samples of a window.
        hop: Samples of a frame.
        output_rate: Sampling rate of what the vocoder speaks.
        frame_samples: Samples of that for each frame.
        stretch: Frames for each of the encoder's, of which there are 50 a second.
        counted_stretch: The same as GPT-SoVITS counts it for the mask of the encoder's last layers.
        prompt_frames: Most frames of the reference that a line resumes from.
        chunk_frames: Most frames that are drawn at once, the prompt's among them.
        sample_steps: Steps that GPT-SoVITS's web UI draws in unless told otherwise.
    """

    rate: int
    n_fft: int
    hop: int
    output_rate: int
    frame_samples: int
    stretch: float
    counted_stretch: float
    prompt_frames: int
    chunk_frames: int
    sample_steps: int


@dataclass(frozen=True)
class VersionSpec:
    """What a version is.

    Attributes:
        name: As GPT-SoVITS calls it.
        symbols: Rows of the phoneme table.
        reference_bins: Spectrogram bins that the reference encoder reads, from the lowest.
        speaker_vectors: Whether the voice is also told by an ERes2NetV2 vector.
        header: What stands in place of a weights file's "PK"; "PK" where nothing does.
        lora_header: The same of a file that holds a LoRA; empty where the version has none.
        mel: What flow matching draws; None where a GAN speaks without it.
        longest_clip: Most spectrogram frames, 50 a second, of a clip that is trained on.
    """

    name: Version
    symbols: int = 732
    reference_bins: int = 704
    speaker_vectors: bool = False
    header: str = "PK"
    lora_header: str = ""
    mel: MelSpec | None = None
    longest_clip: int = 1900

    @property
    def output_rate(self) -> int:
        """Sampling rate of what it speaks, in Hz."""
        return self.mel.output_rate if self.mel else 32_000


V3_MEL = MelSpec(
    rate=24_000,
    n_fft=1024,
    hop=256,
    output_rate=24_000,
    frame_samples=256,
    stretch=1.875,
    counted_stretch=3.875 / 2,
    prompt_frames=468,
    chunk_frames=934,
    sample_steps=32,
)
V4_MEL = MelSpec(
    rate=32_000,
    n_fft=1280,
    hop=320,
    output_rate=48_000,
    frame_samples=480,
    stretch=2.0,
    counted_stretch=2.0,
    prompt_frames=500,
    chunk_frames=1000,
    sample_steps=8,
)

_TABLE: dict[str, VersionSpec] = {
    spec.name: spec
    for spec in (
        VersionSpec("v1", symbols=322, reference_bins=1025),
        VersionSpec("v2"),
        VersionSpec("v2Pro", speaker_vectors=True, header="05"),
        VersionSpec("v2ProPlus", speaker_vectors=True, header="06"),
        VersionSpec("v3", header="02", lora_header="03", mel=V3_MEL, longest_clip=1000),
        # A whole model of v4 has no header of its own: GPT-SoVITS knows the published one by its content alone.
        VersionSpec("v4", lora_header="04", mel=V4_MEL, longest_clip=1000),
    )
}


def spec(version: str) -> VersionSpec:
    """Return what a version is.

    Raises:
        ValueError: The version is unknown.
    """
    if version not in _TABLE:
        raise ValueError(f"unknown version {version!r}; known: {', '.join(_TABLE)}")
    return _TABLE[version]
