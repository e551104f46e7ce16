"""audio-separator, tamed: it downloads nothing, prints nothing, and its errors tell what is wrong."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicemill.core.errors import InputError, MissingModelError, UsageError

if TYPE_CHECKING:
    from audio_separator.separator import Separator

RATE = 44_100
INSTALL = "pip install 'voicemill[separation]' && pip install --no-deps 'audio-separator>=0.47,<0.48'"
"""Without its dependencies, of which one may not be used commercially; those that it needs here are in the extra."""
INDEX_FILES = ("download_checks.json", "vr_model_data.json", "mdx_model_data.json")


@contextmanager
def required() -> Iterator[None]:
    """Around an import of audio-separator: say how to install what is missing.

    Raises:
        UsageError: audio-separator, or a package that it needs here, is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"separation needs the package {error.name}: {INSTALL}") from error


def open_separator(folder: Path, output: Path, stem: str, **parameters: dict[str, Any]) -> "Separator":
    """An audio-separator that writes one stem as 32-bit files at 44.1 kHz, leaves levels alone and downloads nothing.

    Args:
        folder: Its model folder.
        output: Where it writes.
        stem: The stem to keep.
        parameters: `mdxc_params` and `vr_params`, as audio-separator documents them.

    Raises:
        UsageError: A package that separation needs is not installed.
    """
    with warnings.catch_warnings():
        # pydub warns about a missing ffmpeg on import; nothing here goes through pydub.
        warnings.simplefilter("ignore")
        with required():
            from audio_separator.separator import Separator
            from audio_separator.separator.uvr_lib_v5 import spec_utils

        # The multi-band VR nets are put together again by libsamplerate, which its package does not bring on Linux.
        spec_utils.wav_resolution = "soxr_hq"

        class OfflineSeparator(Separator):
            def download_file_if_not_exists(self, url: str, output_path: str) -> None:
                if not os.path.isfile(output_path):
                    raise MissingModelError(
                        f"{output_path} is missing: get it with `voicemill models pull DIR separation`"
                    )

            def check_ffmpeg_installed(self) -> None:
                """ffmpeg would only write the output, which soundfile does here."""

        # The variable would override the folder that was asked for.
        os.environ.pop("AUDIO_SEPARATOR_MODEL_DIR", None)
        separator = OfflineSeparator(
            log_level=logging.ERROR,
            model_file_dir=str(folder),
            output_dir=str(output),
            output_format="WAV",
            normalization_threshold=1.0,
            amplification_threshold=0.0,
            output_single_stem=stem,
            sample_rate=RATE,
            use_soundfile=True,
            **parameters,  # pyright: ignore[reportArgumentType]
        )
    return separator


def require_files(separator: "Separator", model: str) -> None:
    """Check that everything audio-separator would fetch for a model is there.

    Raises:
        MissingModelError: naming the files and how to get them.
        InputError: audio-separator knows no such model.
    """
    folder = Path(separator.model_file_dir)
    missing = [name for name in INDEX_FILES if not (folder / name).is_file()]
    if not missing:
        listed = [entry for group in separator.list_supported_model_files().values() for entry in group.values()]
        entry = next((entry for entry in listed if model in (entry["filename"], *entry["download_files"])), None)
        if entry is None:
            known = ", ".join(sorted({e["filename"] for e in listed if (folder / e["filename"]).is_file()})) or "none"
            raise InputError(f"audio-separator does not know the model {model!r}; {folder} has: {known}")
        names = [name.rpartition("/")[2] for name in entry["download_files"]]
        missing = [name for name in dict.fromkeys(names) if not (folder / name).is_file()]
    if missing:
        raise MissingModelError(
            f"{folder} lacks {', '.join(missing)}: get it with `voicemill models pull DIR separation`"
        )


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an error and what caused it, outermost first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a full GPU is behind an error."""
    import torch

    return any(isinstance(link, torch.OutOfMemoryError) for link in _chain(error))


def reason(error: BaseException) -> str:
    """Return the first line of the innermost error that says something; SystemExit only carries a number."""
    said = [str(link).strip() for link in _chain(error) if not isinstance(link, SystemExit) and str(link).strip()]
    return said[0].splitlines()[0] if said else type(error).__name__
