"""Polyphones distinguished by g2pM (Park and Lee 2020, arXiv 2004.03136), a small LSTM over the sentence's characters.

Its package brings the weights (1.6 MB), so that Mandarin is read in context also where g2pW, which is larger and
better, has not been pulled. Only the package's data files are read.
"""

import functools
import importlib.util
import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from voicemill.core.errors import BrokenModelError, MissingModelError

_FILES = ("np_ckpt.pkl", "char2idx.pkl", "class2idx.pkl", "digest_cedict.pkl")
_BEGIN, _END, _UNKNOWN = "시", "끝", "<UNK>"
_MARKS = str.maketrans(",.!?", "，。！？")
_SENTENCE = re.compile(r"(?<=[.!?…])")
_LONGEST = 128  # characters read at a time; a longer sentence is read in parts
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _Unpickler(pickle.Unpickler):
    """Builds arrays, dictionaries and text, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


@dataclass(frozen=True)
class _Model:
    """H hidden units a direction, E values a character, C classes.

    Attributes:
        ids: Character -> row of `inputs`.
        inputs: What a character adds to the gates, forward and backward, `[2, characters, 4H]`.
        recurrent: `[2, H, 4H]`.
        hidden, hidden_bias, out, out_bias: The two layers on top, `[2H, 2H]` and `[2H, C]` as they are applied.
        classes: Pinyin of each class.
        readings: Polyphonic character -> its classes.
    """

    ids: dict[str, int]
    inputs: Any
    recurrent: Any
    hidden: Any
    hidden_bias: Any
    out: Any
    out_bias: Any
    classes: list[str]
    readings: dict[str, list[int]]


def polyphones(text: str, pinyin: Sequence[str], at: Sequence[int]) -> list[str]:
    """Return the pinyin of a text, corrected at some places.

    Args:
        text: N characters of a normalised text.
        pinyin: Their readings by dictionary, with tone numbers, `[N]`.
        at: The places to correct, in order.

    Returns:
        The readings, `[N]`; what the network does not know stays.

    Raises:
        MissingModelError: The package g2pM is not installed.
        BrokenModelError: Its files are damaged.
    """
    found = list(pinyin)
    model = _model()
    for start, end in _parts(text):
        places = [place for place in at if start <= place < end and text[place] in model.readings]
        if places:
            for place, reading in zip(places, _read(model, text[start:end], [p - start for p in places]), strict=True):
                found[place] = reading
    return found


def knows(character: str) -> bool:
    """Return whether the network tells readings of a character apart."""
    return character in _model().readings


def _parts(text: str) -> list[tuple[int, int]]:
    parts, at = [], 0
    for sentence in _SENTENCE.split(text):
        for start in range(at, at + len(sentence), _LONGEST):
            parts.append((start, min(start + _LONGEST, at + len(sentence))))
        at += len(sentence)
    return parts


def _read(model: _Model, text: str, places: list[int]) -> list[str]:
    import numpy as np

    unknown = model.ids[_UNKNOWN]
    ids = [model.ids.get(character, unknown) for character in text.translate(_MARKS)]
    ids = np.array([model.ids[_BEGIN], *ids, model.ids[_END]])
    steps, size = len(ids), model.recurrent.shape[1]
    inputs_T24H = np.stack([model.inputs[0][ids], model.inputs[1][ids[::-1]]], 1)
    states_T2H = np.empty((steps, 2, size), np.float32)
    state = np.zeros((2, 1, size), np.float32)
    cell = np.zeros((2, size), np.float32)
    for step in range(steps):
        gates = inputs_T24H[step] + (state @ model.recurrent)[:, 0]
        # tanh of half the value is the sigmoid's shape, so that one call serves all four gates
        gates = np.tanh(gates)
        kept = 0.5 * gates[:, : 2 * size] + 0.5
        opened = 0.5 * gates[:, 3 * size :] + 0.5
        cell = kept[:, size:] * cell + kept[:, :size] * gates[:, 2 * size : 3 * size]
        states_T2H[step] = opened * np.tanh(cell)
        state = states_T2H[step][:, None]
    at = np.array(places) + 1
    features = np.concatenate([states_T2H[at, 0], states_T2H[steps - 1 - at, 1]], 1)
    scores = np.maximum(features @ model.hidden + model.hidden_bias, 0) @ model.out + model.out_bias
    return [
        model.classes[max(model.readings[text[place]], key=row.__getitem__)]
        for place, row in zip(places, scores, strict=True)
    ]


@functools.cache
def _model() -> _Model:
    spec = importlib.util.find_spec("g2pM")
    if spec is None or not spec.submodule_search_locations:
        raise MissingModelError("the package g2pM is missing: install voicemill with the extra that reads text")
    folder = Path(spec.submodule_search_locations[0])
    try:
        weights, ids, classes, dictionary = (_load(folder / name) for name in _FILES)
        return _built(weights, ids, classes, dictionary)
    except (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise BrokenModelError(f"{folder} is not g2pM's: {error!r}") from error


def _load(path: Path) -> Any:
    file: IO[bytes]
    with path.open("rb") as file:
        return _Unpickler(file).load()


def _built(weights: Any, ids: Any, classes: Any, dictionary: Any) -> _Model:
    import numpy as np

    size = weights["lstm.weight_hh_l0"].shape[1]
    scale = np.full((4 * size, 1), 0.5, np.float32)
    scale[2 * size : 3 * size] = 1  # the candidate cell state has a tanh of its own
    directions = ("", "_reverse")
    inputs = [
        weights["embedding.weight"] @ (scale * weights[f"lstm.weight_ih_l0{end}"]).T
        + scale[:, 0] * (weights[f"lstm.bias_ih_l0{end}"] + weights[f"lstm.bias_hh_l0{end}"])
        for end in directions
    ]
    numbers = {spelled(pinyin): number for pinyin, number in classes.items()}
    return _Model(
        ids=ids,
        inputs=np.stack(inputs).astype(np.float32),
        recurrent=np.stack([(scale * weights[f"lstm.weight_hh_l0{end}"]).T for end in directions]).astype(np.float32),
        hidden=weights["logit_layer.0.weight"].T.astype(np.float32),
        hidden_bias=weights["logit_layer.0.bias"].astype(np.float32),
        out=weights["logit_layer.2.weight"].T.astype(np.float32),
        out_bias=weights["logit_layer.2.bias"].astype(np.float32),
        classes=[spelled(pinyin) for pinyin, _ in sorted(classes.items(), key=lambda item: item[1])],
        readings={
            character: known
            for character, readings in dictionary.items()
            if len(known := [numbers[spelled(each)] for each in readings if spelled(each) in numbers]) > 1
        },
    )


def spelled(pinyin: str) -> str:
    """Pinyin as pypinyin spells it, `lu:3` -> lv3."""
    return pinyin.replace("u:", "v").replace("ü", "v")
