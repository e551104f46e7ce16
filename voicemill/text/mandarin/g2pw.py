"""Polyphones distinguished by g2pW (Chen et al. 2022, arXiv 2203.10430), a BERT that reads the words around them.

The folder is the public one, `G2PWModel`:

    g2pW.onnx                                input_ids, token_type_ids, attention_mask int64 [1, T]; char_ids,
                                             position_ids int64 [Q]; phoneme_mask float32 [Q, L] -> probabilities [Q, L]
    POLYPHONIC_CHARS.txt                     character TAB bopomofo, one line a reading
    MONOPHONIC_CHARS.txt                     character TAB bopomofo
    bopomofo_to_pinyin_wo_tune_dict.json     syllable without tone -> pinyin
    config.py                                whether labels name the character, and whether they are masked

The network reads one text at a time: of several rows of `input_ids` it looks at the first. Its tokens are those of
chinese-roberta-wwm-ext-large, whose tokenizer.json is needed too. As in GPT-SoVITS it is given traditional characters,
and 16 characters on either side of the polyphones.
"""

import ast
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.errors import BrokenModelError, MissingModelError

NETWORKS = ("g2pW.onnx", "g2pw.onnx")
_POLYPHONIC, _MONOPHONIC, _PINYIN = (
    "POLYPHONIC_CHARS.txt",
    "MONOPHONIC_CHARS.txt",
    "bopomofo_to_pinyin_wo_tune_dict.json",
)
_CONTEXT, _LONGEST = 16, 510
# GPT-SoVITS leaves these to pypinyin, because the network was taught readings of Taiwan or none in connected speech.
_NOT_ASKED = frozenset("一不和咋嗲剖差攢倒難奔勁拗肖瘙誒泊听噢")
_NOT_TABLED = frozenset("似攢")
_THREADS = 2


@dataclass(frozen=True)
class _Tables:
    """What the files beside the network say.

    Attributes:
        tokens: Token -> id.
        labels: Bopomofo of each output of the network.
        readings: Polyphonic character -> its outputs.
        ids: Polyphonic character -> its id.
        single: Character of one reading -> pinyin.
        pinyin: Bopomofo with tone -> pinyin with tone, for every label.
        is_masked: Whether a character's own readings alone are let through.
    """

    tokens: dict[str, int]
    labels: list[str]
    readings: dict[str, list[int]]
    ids: dict[str, int]
    single: dict[str, str]
    pinyin: dict[str, str]
    is_masked: bool


class G2pw:
    """Corrects the pinyin of a phrase. Files are read when the first phrase comes.

    Args:
        folder: `G2PWModel`.
        tokenizer: tokenizer.json of chinese-roberta-wwm-ext-large.

    Raises:
        MissingModelError: A file is missing.
    """

    def __init__(self, folder: Path, tokenizer: Path) -> None:
        self._folder, self._tokenizer = folder, tokenizer
        networks = [folder / name for name in NETWORKS if (folder / name).is_file()]
        tables = [folder / name for name in (_POLYPHONIC, _MONOPHONIC, _PINYIN)]
        missing = [path for path in (*tables, tokenizer) if not path.is_file()]
        if missing or not networks:
            raise MissingModelError(f"{(missing or [folder / NETWORKS[0]])[0]} is missing: g2pW cannot read without it")
        self._network = networks[0]

    def __call__(self, phrase: str, pinyin: Sequence[str]) -> list[str]:
        """Return the pinyin of a phrase, corrected.

        Args:
            phrase: N characters of a normalised text.
            pinyin: Their readings by dictionary, with tone numbers, `[N]`.

        Returns:
            The readings, `[N]`; what the network does not know stays.

        Raises:
            BrokenModelError: The files are not g2pW's.
        """
        tables = self._tables
        traditional = _traditional(phrase)
        found = [tables.single.get(character, reading) for character, reading in zip(traditional, pinyin, strict=True)]
        asked = [at for at, character in enumerate(traditional) if character in tables.ids]
        for start, end, places in _windows(asked, len(traditional)):
            labels = self._ask(traditional[start:end], [at - start for at in places])
            for at, label in zip(places, labels, strict=True):
                found[at] = tables.pinyin.get(label, found[at])
        return found

    def _ask(self, text: str, places: list[int]) -> list[str]:
        """Bopomofo of the characters of a text at some places."""
        import numpy as np

        tables = self._tables
        tokens = ["[CLS]", *text.lower(), "[SEP]"]
        ids = [[tables.tokens.get(token, tables.tokens["[UNK]"]) for token in tokens]]
        mask = np.full((len(places), len(tables.labels)), 0.0 if tables.is_masked else 1.0, np.float32)
        for row, at in enumerate(places):
            mask[row, tables.readings[text[at]]] = 1
        inputs = {
            "input_ids": np.array(ids, np.int64),
            "token_type_ids": np.zeros_like(ids, np.int64),
            "attention_mask": np.ones_like(ids, np.int64),
            "phoneme_mask": mask,
            "char_ids": np.array([tables.ids[text[at]] for at in places], np.int64),
            "position_ids": np.array([at + 1 for at in places], np.int64),  # after [CLS]
        }
        with self._running():
            # A network that was exported without masks has no inputs for them.
            wanted = {each.name for each in self._session.get_inputs()}
            outputs = self._session.run(None, {name: value for name, value in inputs.items() if name in wanted})
        probabilities = outputs[0]
        if probabilities.shape != mask.shape:
            raise BrokenModelError(
                f"{self._network} has {probabilities.shape[-1]} outputs where {mask.shape[1]} are labelled"
            )
        return [tables.labels[number] for number in np.argmax(probabilities, axis=1)]

    @functools.cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _THREADS
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(self._network), options, providers=["CPUExecutionProvider"])

    @contextmanager
    def _running(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # onnxruntime's errors have no common base but this
            raise BrokenModelError(f"{self._network} is not g2pW's, onnxruntime cannot run it: {error}") from error

    @functools.cached_property
    def _tables(self) -> _Tables:
        try:
            return self._read_tables()
        except (ValueError, KeyError, TypeError, SyntaxError) as error:
            raise BrokenModelError(f"{self._folder} or {self._tokenizer} is damaged: {error!r}") from error

    def _read_tables(self) -> _Tables:
        config = _settings(self._folder / "config.py")
        names_character = config.get("use_char_phoneme", False)
        pairs = _pairs(self._folder / _POLYPHONIC)
        numbers = {pair: " ".join(pair) if names_character else pair[1] for pair in pairs}
        labels = sorted(set(numbers.values()))
        places = {label: number for number, label in enumerate(labels)}
        readings: dict[str, list[int]] = {}
        for pair, label in numbers.items():
            readings.setdefault(pair[0], []).append(places[label])
        syllables = untrusted.read_json(self._folder / _PINYIN, dict)

        def spelled(bopomofo: str) -> str | None:
            syllable = syllables.get(bopomofo[:-1])
            return syllable + bopomofo[-1] if syllable else None

        single = {character: spelled(bopomofo) for character, bopomofo in _pairs(self._folder / _MONOPHONIC)}
        pinyin = {label: spelled(label.split(" ")[-1]) for label in labels}
        return _Tables(
            tokens=untrusted.read_json(self._tokenizer, dict)["model"]["vocab"],
            labels=labels,
            readings=readings,
            # Ids count all characters, those that are not asked about too.
            ids={character: number for number, character in enumerate(sorted(readings)) if character not in _NOT_ASKED},
            single={character: found for character, found in single.items() if found and character not in _NOT_TABLED},
            pinyin={label: found for label, found in pinyin.items() if found},
            is_masked=config.get("use_mask", True),
        )


def _windows(places: list[int], length: int) -> list[tuple[int, int, list[int]]]:
    """Stretches of a text that hold the places and their context, each short enough for the network."""
    groups: list[list[int]] = []
    for at in places:
        if groups and at - groups[-1][0] + 2 * _CONTEXT < _LONGEST:
            groups[-1].append(at)
        else:
            groups.append([at])
    return [(max(0, group[0] - _CONTEXT), min(length, group[-1] + _CONTEXT + 1), group) for group in groups]


def _pairs(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").strip().split("\n")
    return [(character, bopomofo) for character, bopomofo in (line.strip().split("\t") for line in lines)]


def _settings(path: Path) -> dict[str, Any]:
    """Return the plain values that a Python file assigns; nothing of it is run."""
    found: dict[str, Any] = {}
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue  # a path put together from others, which reading does not need
    return found


@functools.cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("s2tw")


def _traditional(text: str) -> str:
    converted = _converter().convert(text)
    if len(converted) == len(text):
        return converted
    each = (_converter().convert(character) for character in text)
    return "".join(new if len(new) == 1 else old for old, new in zip(text, each, strict=True))
