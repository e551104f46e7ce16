"""Sizes of the SoVITS models, as checkpoints state them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.versions import VERSIONS, Version, VersionSpec, spec

__all__ = ["VERSIONS", "SovitsConfig", "Version"]

SSL_CHANNELS = 768
"""Width of the HuBERT features that semantic tokens are made of."""
SPEAKER_CHANNELS = 20480
"""Width of an ERes2NetV2 speaker vector (v2Pro, v2ProPlus)."""
CODEBOOK_SIZE = 1024
CROSS_ATTENTION_CHANNELS = 512
"""Width inside the content-to-text attention; no configuration changes it."""
MOST = {"n_layers": 64, "n_heads": 64, "kernel_size": 63, "upsample_rates": 64}
"""Sizes beyond which a file's configuration is not believed; widths may be up to 16384."""
SEGMENT_FRAMES = 32
"""Frames of a clip that the vocoder is trained on at a time: 32 frames of 640 samples are 0.64 s."""


@dataclass(frozen=True)
class SovitsConfig:
    """Sizes of a generator; the defaults are v2's published ones (the reference's `configs/s2.json`, section `model`).

    Attributes:
        version: Model version, which decides the symbol table and whether speaker vectors are used.
        inter_channels: Width of the latent z.
        hidden_channels: Width of the encoders.
        filter_channels: Width inside their feed-forward layers.
        gin_channels: Width of the speaker embedding; v1 and v2 need 512.
        upsample_rates: Vocoder's upsampling factors; their product is the hop of 640 samples.
        freeze_quantizer: Fine-tuning leaves the codebook as it is (true in every published configuration).
    """

    version: Version = "v2"
    spec_channels: int = 1025
    inter_channels: int = 192
    hidden_channels: int = 192
    filter_channels: int = 768
    n_heads: int = 2
    n_layers: int = 6
    kernel_size: int = 3
    p_dropout: float = 0.1
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    upsample_rates: tuple[int, ...] = (10, 8, 2, 2, 2)
    upsample_initial_channel: int = 512
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 8, 2, 2)
    gin_channels: int = 512
    semantic_frame_rate: Literal["25hz", "50hz"] = "25hz"
    freeze_quantizer: bool = True

    @classmethod
    def of(cls, version: Version) -> SovitsConfig:
        """Return the published sizes of a version."""
        pro = {"p_dropout": 0.0, "gin_channels": 1024} if spec(version).speaker_vectors else {}
        plus = {"upsample_initial_channel": 768, "upsample_kernel_sizes": (20, 16, 8, 2, 2)}
        return replace(cls(version=version), **pro, **(plus if version == "v2ProPlus" else {}))

    @classmethod
    def read(cls, model: Mapping[str, Any], version: Version) -> SovitsConfig:
        """From the `model` section of a checkpoint's configuration.

        Raises:
            InputError: If the section asks for something that no published model has, or is not a configuration at all.
        """
        if str(model.get("resblock", "1")) != "1" or model.get("use_spectral_norm"):
            raise InputError(
                "the SoVITS checkpoint asks for layers that no published model has (resblock 2 or spectral norm)"
            )
        known = {f.name for f in fields(cls)} - {"version"}
        config = cls(version=version, **{key: _frozen(value) for key, value in model.items() if key in known})
        wrong = [name for name in known if not _plausible(getattr(config, name), getattr(cls, name), MOST.get(name))]
        if wrong or config.semantic_frame_rate not in ("25hz", "50hz"):
            raise InputError(f"the SoVITS checkpoint's configuration has impossible values: {', '.join(wrong)}")
        if config.spec.mel and config.inter_channels != config.hidden_channels:
            raise InputError(f"{version} needs inter_channels and hidden_channels to be equal in the configuration")
        return config

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the names that the reference's configuration has."""
        return {**asdict(self), "resblock": "1", "use_spectral_norm": False, "n_layers_q": 3}

    @property
    def is_pro(self) -> bool:
        """Whether the speaker embedding also sees a speaker vector."""
        return self.spec.speaker_vectors

    @property
    def spec(self) -> VersionSpec:
        """What the version is."""
        return spec(self.version)

    @property
    def symbols(self) -> int:
        """Rows of the phoneme table."""
        return self.spec.symbols

    @property
    def reference_bins(self) -> int:
        """Spectrogram bins that the reference encoder reads, from the lowest."""
        return min(self.spec_channels, self.spec.reference_bins)

    @property
    def discriminator_periods(self) -> tuple[int, ...]:
        return (2, 3, 5, 7, 11, 17, 23) if self.is_pro else (2, 3, 5, 7, 11)


def _plausible(value: Any, usual: Any, most: int | None) -> bool:
    """Return whether a value has the type of the usual one and a size for which layers can be built without harm."""
    if isinstance(usual, tuple):
        return isinstance(value, tuple) and 0 < len(value) <= 16 and all(_plausible(x, usual[0], most) for x in value)
    if isinstance(usual, bool | str):
        return isinstance(value, type(usual))
    if isinstance(usual, float):
        return isinstance(value, float | int) and 0 <= value < 1
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= (most or 16384)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
