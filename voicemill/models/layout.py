"""Where each model lies in a models folder: the places of GPT-SoVITS's `pretrained_models`, so that one can be used."""

import os
from pathlib import Path
from typing import Literal, get_args

from voicemill import storage
from voicemill.core import files
from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError, MissingModelError
from voicemill.core.logs import get_logger
from voicemill.gpt_sovits.versions import spec
from voicemill.models import record

log = get_logger(__name__)

Version = Literal["v2", "v2Pro", "v2ProPlus", "v3", "v4"]
VERSIONS: tuple[Version, ...] = get_args(Version)
PREFERRED: tuple[Version, ...] = ("v2ProPlus", "v2Pro", "v2")
"""What `auto` takes, the first whose base is there: the later ones are asked for by name, they are large and slow."""
V2 = "gsv-v2final-pretrained"
V4 = "gsv-v4-pretrained"
V2_GPT = f"{V2}/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt"

SHARED_CACHE = "VOICEMILL_MODELS_CACHE"
"""Environment variable: folder in which models from S3 are kept for others on the same machine."""
_ADDRESS = ".voicemill-address"
"""In the folder that stands for one in S3: its address."""

# All but v2 share v3's text-to-semantic model.
_PLACES: dict[str, str | dict[str, str]] = {
    "hubert": "chinese-hubert-base",
    "bert": "chinese-roberta-wwm-ext-large",
    "bert-onnx": "chinese-roberta-wwm-ext-large-onnx",
    "sovits-g": {
        "v2": f"{V2}/s2G2333k.pth",
        "v2Pro": "v2Pro/s2Gv2Pro.pth",
        "v2ProPlus": "v2Pro/s2Gv2ProPlus.pth",
        "v3": "s2Gv3.pth",
        "v4": f"{V4}/s2Gv4.pth",
    },
    "sovits-d": {
        "v2": f"{V2}/s2D2333k.pth",
        "v2Pro": "v2Pro/s2Dv2Pro.pth",
        "v2ProPlus": "v2Pro/s2Dv2ProPlus.pth",
    },
    "vocoder": {
        "v3": "models--nvidia--bigvgan_v2_24khz_100band_256x",
        "v4": f"{V4}/vocoder.pth",
    },
    "gpt": {"v2": V2_GPT, **dict.fromkeys(("v2Pro", "v2ProPlus", "v3", "v4"), "s1v3.ckpt")},
    "speaker-encoder": "sv/pretrained_eres2netv2w24s4ep4.ckpt",
    "g2pw": "G2PWModel",
    "separation": "separation",
    "whisper": "whisper",
    "sensevoice": "sensevoice",
    "paraformer": "paraformer",
}
NAMES = tuple(_PLACES)


def place(name: str, version: str = "v2") -> str:
    """Return the path of a model below the models folder.

    Args:
        name: One of `NAMES`.
        version: GPT-SoVITS version, for the models that differ by it.

    Raises:
        ValueError: An unknown name or version.
    """
    if name not in _PLACES:
        raise ValueError(f"unknown model {name!r}; known: {', '.join(NAMES)}")
    where = _PLACES[name]
    if isinstance(where, str):
        return where
    if version not in where:
        raise ValueError(f"{name} has no version {version!r}; there are {', '.join(where)}")
    return where[version]


def resolve_local(models: str) -> Path:
    """Return the models folder at a location, as a folder of this machine.

    Of a folder in S3 nothing but its record is brought; each model comes when it is located.

    Args:
        models: Local path or s3:// address.

    Raises:
        InputError: There is nothing at the location.
        TryAgain: S3 cannot be reached.
    """
    if not storage.is_remote(models):
        return storage.fetch(models)
    address = models.rstrip("/")
    if not storage.exists(address):
        raise MissingModelError(f"nothing found at {address}: fill it with `voicemill submit prepare-models`")
    folder = storage.cache_folder() / "models" / content_digest(address)[:16]
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(folder / _ADDRESS, address)
    recorded = f"{address}/{record.NAME}"
    if storage.exists(recorded):
        files.write_text(folder / record.NAME, storage.fetch(recorded).read_text())
    return folder


def locate(models_dir: Path | str, name: str, version: str = "v2", *, file: str = "") -> Path:
    """Find a model in a models folder.

    Args:
        models_dir: The models folder (`voicemill models pull` or `voicemill models toy` made it, or GPT-SoVITS did),
            what `resolve_local` gave, or an s3:// address of one; of those in S3 just this model is fetched.
        name: "hubert", "bert", "bert-onnx", "sovits-g", "sovits-d", "vocoder", "gpt", "speaker-encoder", "g2pw",
            "separation", "whisper", "sensevoice" or "paraformer".
        version: "v2", "v2Pro", "v2ProPlus", "v3" or "v4"; matters for "sovits-g", "sovits-d", "vocoder" and "gpt".
        file: A file of the model's folder, where nothing else of it is needed.

    Returns:
        The model's file or folder.

    Raises:
        MissingModelError: It is not there.
    """
    address = _address(models_dir)
    where = "/".join(filter(None, (place(name, version), file)))
    if address:
        return _fetch(address, where)
    folder = Path(models_dir)
    path = folder / where
    if (path.is_dir() and any(path.iterdir())) or path.is_file():
        return path
    what = f"{name} of {version}" if isinstance(_PLACES[name], dict) else name
    problem = f"{path} is missing" if folder.is_dir() else f"the folder {folder} does not exist"
    if name == "bert-onnx":
        raise MissingModelError(
            f"{problem} (BERT as a graph, for Mandarin): write it with `voicemill models export-onnx {folder}` where "
            "torch is installed"
        )
    # Words of the command are the catalogue's: one set a version, one a model that all versions share.
    wanted = version if isinstance(_PLACES[name], dict) else name
    toy = folder if version == "v2" and name != "speaker-encoder" else f"{folder} --versions {','.join(VERSIONS)}"
    raise MissingModelError(
        f"{problem} (the model {what}): get it with `voicemill models pull {folder} {wanted}`, "
        f"or make models for trying out with `voicemill models toy {toy}`"
    )


def best_version(models_dir: Path | str) -> Version:
    """Return the first of `PREFERRED` whose base weights are all in a models folder; v2 where none are.

    Args:
        models_dir: As for `locate`.
    """
    for version in PREFERRED:
        if all(_is_there(models_dir, name, version) for name in base_names(version)):
            return version
    return "v2"


def base_names(version: str) -> tuple[str, ...]:
    """Return the names of the models that are a version's own, which a training starts from or listens by."""
    about = spec(version)
    own = ("sovits-g", "vocoder" if about.mel else "sovits-d", "gpt")
    return (*own, "speaker-encoder") if about.speaker_vectors else own


def _is_there(models_dir: Path | str, name: str, version: str) -> bool:
    address = _address(models_dir)
    if address:
        return storage.exists(f"{address}/{place(name, version)}")
    try:
        locate(models_dir, name, version)
    except MissingModelError:
        return False
    return True


def _address(models_dir: Path | str) -> str | None:
    """Return where in S3 the models are, if that is where they are."""
    if storage.is_remote(models_dir):
        return str(models_dir).rstrip("/")
    note = Path(models_dir) / _ADDRESS
    return note.read_text() if note.is_file() else None


def shared_cache() -> Path | None:
    """Return the folder in which models from S3 are kept for all pods of a node; None where there is none.

    Only models: nothing of a speaker outlives the pod there.
    """
    place = os.environ.get(SHARED_CACHE)
    if not place:
        return None
    if not os.access(place, os.W_OK | os.X_OK):
        log.warning("the models' cache %s cannot be written: models are fetched for this pod alone", place)
        return None
    return Path(place)


def _fetch(address: str, where: str) -> Path:
    try:
        return storage.fetch(f"{address}/{where}", shared_cache())
    except InputError as error:
        raise MissingModelError(
            f"{where} is missing at {address}: upload what `voicemill models pull` puts into a folder"
        ) from error
