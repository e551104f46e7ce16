"""What a release has to be, checked before anything is published. None of it needs a credential.

    python scripts/release.py check [TAG]    version, chart and change log fit together, and the tag if one is given
    python scripts/release.py notes          the change log's section of this version
    python scripts/release.py inspect DIR    the wheel and the sdist in a folder hold what they should, and no more
    python scripts/release.py base DIR       put the file of the newest small base into a folder
    python scripts/release.py pack-base FOLDER VERSION
                                             make the file of a new small base, and print what small.yaml says of it

The version is written in voicemill/__init__.py alone; pyproject.toml reads it there, `make golden` carries it into the
chart and its workflows, and images and tags follow.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

import yaml
from packaging.metadata import ExceptionGroup, Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"voicemill"}
"""What an installation puts into site-packages."""
REPOSITORY = "https://github.com/OWNER/voicemill"
"""Where releases are; OWNER is filled in by whoever makes one."""
NEEDED = (
    "voicemill/py.typed",
    "voicemill/models/models.yaml",
    "voicemill/models/small/sovits-g.safetensors",
    "voicemill/stages/slice.py",
    "voicemill/workflows/clone_voice.py",
)


def version(root: Path = ROOT) -> str:
    """Return the version of the checkout.

    Raises:
        ValueError: voicemill/__init__.py has no line `__version__ = "..."`.
    """
    found = re.search(r'^__version__ = "(.+)"$', (root / "voicemill" / "__init__.py").read_text(), re.MULTILINE)
    if not found:
        raise ValueError('voicemill/__init__.py has no line __version__ = "..."')
    return found[1]


def sections(changelog: str) -> dict[str, str]:
    """Sections of a change log (https://keepachangelog.com) by their version, or "Unreleased"."""
    parts = re.split(r"^## \[(.+?)\](?: - \d{4}-\d{2}-\d{2})?$", changelog, flags=re.MULTILINE)[1:]
    without_links = [re.sub(r"^\[.+\]: .*$", "", body, flags=re.MULTILINE).strip() for body in parts[1::2]]
    return dict(zip(parts[::2], without_links, strict=True))


def problems(root: Path = ROOT, tag: str | None = None) -> list[str]:
    """Return what keeps a checkout from being released, a sentence each.

    Args:
        root: The checkout.
        tag: The tag that is released; None for a dry run, where the change log's section may still be "Unreleased".
    """
    found = []
    ours = version(root)
    if str(Version(ours)) != ours:
        found.append(f"version {ours} is not in its normal form, {Version(ours)}")
    chart = yaml.safe_load((root / "charts" / "voicemill" / "Chart.yaml").read_text(encoding="utf-8"))
    if (chart["version"], chart["appVersion"]) != (ours, ours):
        found.append(
            f"Chart.yaml is of {chart['version']} ({chart['appVersion']}), voicemill of {ours}: run `make golden`"
        )
    written = sections((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    name = ours if tag is not None or ours in written else "Unreleased"
    if not written.get(name):
        found.append(f"CHANGELOG.md has no section [{name}], or an empty one")
    if tag is not None and tag != f"v{ours}":
        found.append(f"the tag is {tag}, the version {ours}: tag v{ours}, or change voicemill/__init__.py")
    return found


def inspect(folder: Path, expected: str) -> list[str]:
    """Return what is wrong with the distributions in a folder, a sentence each.

    Args:
        folder: Holds one wheel and one sdist, as `python -m build` writes them.
        expected: The version that they should be of.
    """
    wheels, sdists = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [f"{folder} holds {len(wheels)} wheels and {len(sdists)} sdists: there should be one of each"]
    found = []
    for name, stated in (
        (wheels[0].name, parse_wheel_filename(wheels[0].name)[1]),
        (sdists[0].name, parse_sdist_filename(sdists[0].name)[1]),
    ):
        if str(stated) != expected:
            found.append(f"{name} is not of version {expected}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = wheel.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        found += _metadata_problems(wheel.read(metadata), wheels[0].name)
    others = {name.split("/")[0] for name in names} - PACKAGES - {metadata.split("/")[0]}
    found += [f"{wheels[0].name} puts {name} into site-packages" for name in sorted(others)]
    found += [f"{wheels[0].name} lacks {name}" for name in NEEDED if name not in names]
    with tarfile.open(sdists[0]) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    found += [f"{sdists[0].name} lacks {name}" for name in (*NEEDED, "LICENSE", "README.md") if name not in inside]
    return found


def _metadata_problems(metadata: bytes, name: str) -> list[str]:
    try:
        Metadata.from_email(metadata, validate=True)
    except ExceptionGroup as error:
        return [f"{name}: {each}" for each in error.exceptions]
    return []


def put_base(folder: Path) -> Path:
    """Put the file of the newest small base into a folder: made of models/small, or fetched if it is a later one.

    Raises:
        voicemill.models.released.Unavailable: The file that small.yaml names is not available.
    """
    from voicemill.models import released
    from voicemill.models.packed import SMALL

    base = released.newest()
    content = released.archive(SMALL, 1)[1] if base.version == released.COMMITTED else released.fetch(base, print)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / base.name).write_bytes(content)
    return folder / base.name


def pack_base(folder: Path, number: int, target: Path = Path()) -> str:
    """Make the file of a new small base in the target folder; return what small.yaml is to say of it."""
    from voicemill.models import released

    base, content = released.archive(folder, number)
    (target / base.name).write_bytes(content)
    url = f"{REPOSITORY}/releases/download/small-base-{number}/{base.name}"
    return f"version: {number}\nurl: {url}\nsize: {base.size}\nsha256: {base.sha256}\n"


def main(action: str, *arguments: str) -> int:
    """Run one of the actions."""
    if action == "notes":
        print(sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[version()])
        return 0
    if action == "base":
        print(put_base(Path(arguments[0])))
        return 0
    if action == "pack-base":
        print(pack_base(Path(arguments[0]), int(arguments[1])), end="")
        return 0
    if action == "check":
        found = problems(tag=arguments[0] if arguments else None)
    elif action == "inspect":
        found = inspect(Path(arguments[0]), version())
    else:
        raise ValueError(f"no action {action}; there are check, notes, inspect, base, pack-base")
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
