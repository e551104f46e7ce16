"""Letters to sounds for words that no dictionary knows: the recurrent network whose weights ship with g2p_en.

An encoder reads the letters, a decoder says phones until it ends; both are single gated recurrent layers of 128 units
(Kyubyong Park and Jongseok Kim, g2p_en).
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicemill.text import symbols
from voicemill.text.english.package_data import package_file

_LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
_LONGEST = 20

Array = NDArray[np.floating]


def _phones() -> list[str]:
    """Return the network's outputs: ARPAbet without the vowel-like ER, plus a bare UW that it never learned to use."""
    vowels = [vowel + stress for vowel in symbols.ARPABET_VOWELS.split() for stress in "012"]
    consonants = [phone for phone in symbols.ARPABET_OTHERS.split() if phone not in {"ER", "IH"}]
    return ["<pad>", "<unk>", "<s>", "</s>", *sorted([*vowels, *consonants, "UW"])]


@functools.cache
def _weights() -> dict[str, Array]:
    with np.load(package_file("g2p_en", "checkpoint20.npz")) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _step(side: str, x: Array, hidden: Array, w: dict[str, Array]) -> Array:
    """Return one step of a gated recurrent unit (Cho et al. 2014) of the encoder or decoder."""
    into = w[f"{side}_w_ih"] @ x + w[f"{side}_b_ih"]
    over = w[f"{side}_w_hh"] @ hidden + w[f"{side}_b_hh"]
    reset_in, update_in, new_in = np.split(into, 3)
    reset_over, update_over, new_over = np.split(over, 3)
    update = _sigmoid(update_in + update_over)
    new = np.tanh(new_in + _sigmoid(reset_in + reset_over) * new_over)
    return (1 - update) * new + update * hidden


def sounds(word: str) -> list[str]:
    """Return the phones of a lower-case word, at most 20; `<unk>` where the network knows no better."""
    w: dict[str, Any] = _weights()
    hidden = np.zeros(w["enc_w_hh"].shape[1], np.float32)
    for letter in [*word, "</s>"]:
        number = _LETTERS.index(letter) if letter in _LETTERS else 1
        hidden = _step("enc", w["enc_emb"][number], hidden, w)
    names = _phones()
    said, phone = [], names.index("<s>")
    for _ in range(_LONGEST):
        hidden = _step("dec", w["dec_emb"][phone], hidden, w)
        phone = int(np.argmax(w["fc_w"] @ hidden + w["fc_b"]))
        if names[phone] == "</s>":
            break
        said.append(names[phone])
    return said
