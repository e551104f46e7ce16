"""The newest small base: a file of a release where it is available, else the one that comes with voicemill.

A base is 24 MB and changes as a whole, so that only one version of it is committed. The newest is named in small.yaml
by address, size and SHA-256; it is fetched once and kept in the cache.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError
from voicemill.core.files import atomic
from voicemill.core.logs import get_logger
from voicemill.models import checking, transfer
from voicemill.models.packed import NAMES, SMALL
from voicemill.models.placing import DEFAULTS
from voicemill.models.pulling import mirrored
from voicemill.storage import cache_folder

log = get_logger(__name__)

COMMITTED = 1
"""The version of models/small."""
TIMEOUT_SECONDS = 10.0
CONTENTS = (*(f"{name}.safetensors" for name in NAMES), DEFAULTS, "README.md")
"""What a released base may hold; the weights it has to hold."""


class Unavailable(Exception):
    """The file of a release is not available, or is not what it should be."""


@dataclass(frozen=True)
class Base:
    """A version of the small base.

    Attributes:
        version: 1 for the one that comes with voicemill.
        url: Where its file is.
        size: Bytes of the file.
        sha256: Of the file.
    """

    version: int
    url: str = ""
    size: int = 0
    sha256: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"small-base-{self.version}.tar"


def newest() -> Base:
    """Return what small.yaml names."""
    import yaml

    return Base(**yaml.safe_load(Path(__file__).with_name("small.yaml").read_text(encoding="utf-8")))


def packed_base(base: Base | None = None, report: Callable[[str], None] = log.info) -> Path:
    """Return the folder of a packed base: the newest one, or the one that comes with voicemill.

    Args:
        base: The wanted one; by default the newest.
        report: Gets a line where something is fetched, and one that says why the committed base is taken.
    """
    base = base or newest()
    if base.version == COMMITTED:
        return SMALL
    folder = cache_folder() / "small-base" / base.sha256
    if not folder.is_dir():
        try:
            unpack(fetch(base, report), folder)
        except Unavailable as error:
            report(f"version {base.version} of the small base is not available: {error}; version {COMMITTED} is taken")
            return SMALL
    return folder


def fetch(base: Base, report: Callable[[str], None] = log.info) -> bytes:
    """Return the file of a released base, checked; a fetch that was interrupted goes on where it stopped.

    Raises:
        Unavailable: It cannot be reached, or has another SHA-256.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import get_session, hf_raise_for_status

    url = mirrored(base.url)
    partial = cache_folder() / "small-base" / f"{base.sha256}.partial"
    partial.parent.mkdir(parents=True, exist_ok=True)
    report(f"fetching {url}, {base.size / 1e6:.1f} MB")
    try:
        # Asked once and briefly: without a network the trial goes on with the base that is here.
        hf_raise_for_status(get_session().head(url, timeout=TIMEOUT_SECONDS))
        transfer.fetch(url, partial, base.size, {}, base.name)
    except OfflineModeIsEnabled as error:
        raise Unavailable("HF_HUB_OFFLINE is set") from error
    except HfHubHTTPError as error:
        raise Unavailable(f"{url} is answered with HTTP {error.response.status_code}") from error
    except (httpx2.TransportError, transfer.BrokenOff) as error:
        raise Unavailable(f"{url} cannot be reached ({error})") from error
    problem = checking.mismatch(partial, size=base.size, sha256=base.sha256)
    content = partial.read_bytes()
    partial.unlink()
    if problem:
        raise Unavailable(f"{url} is not the file that it should be ({problem})")
    return content


def unpack(content: bytes, folder: Path) -> None:
    """Write the files of a released base into a folder, which appears whole or not at all.

    Raises:
        Unavailable: It does not hold the files of a base, and nothing else.
    """
    with tarfile.open(fileobj=BytesIO(content)) as tar, atomic(folder, is_folder=True) as building:
        members = {member.name: member for member in tar if member.isfile() and member.name in CONTENTS}
        if len(members) != len(tar.getmembers()) or not {f"{name}.safetensors" for name in NAMES} <= members.keys():
            raise Unavailable(f"it holds {', '.join(sorted(tar.getnames())) or 'nothing'}")
        for name, member in members.items():
            stream = tar.extractfile(member)
            assert stream is not None
            (building / name).write_bytes(stream.read())


def archive(folder: Path, version: int) -> tuple[Base, bytes]:
    """Return a packed base as the file of a release; the same folder gives the same bytes.

    Raises:
        InputError: A model is missing in the folder.
    """
    missing = [name for name in NAMES if not (folder / f"{name}.safetensors").is_file()]
    if missing:
        raise InputError(f"{folder} is not a packed base: {missing[0]}.safetensors is missing")
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in CONTENTS:
            if (folder / name).is_file():
                content = (folder / name).read_bytes()
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, BytesIO(content))
    content = buffer.getvalue()
    return Base(version, size=len(content), sha256=content_digest(content)), content
