"""Tokens are chosen by NumPy, by the rules of `gpt.sampling`, which chooses by torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

_KINDS = {bool: np.bool_, int: np.int64, float: np.float32}


def probabilities(scores_RV: np.ndarray, *, top_k: int, top_p: float = 1.0, temperature: float = 1.0) -> np.ndarray:
    """Return the distribution to draw from; see `gpt.sampling.probabilities`."""
    if top_p < 1.0:
        order_RV = np.argsort(-scores_RV, axis=-1, kind="stable")
        drop_RV = np.cumsum(_softmax(np.take_along_axis(scores_RV, order_RV, -1)), -1) > top_p
        drop_RV[:, 0] = False
        dropped_RV = np.empty_like(drop_RV)
        np.put_along_axis(dropped_RV, order_RV, drop_RV, -1)
        scores_RV = np.where(dropped_RV, -np.inf, scores_RV)
    scores_RV = scores_RV / np.float32(max(temperature, 1e-5))
    if top_k < scores_RV.shape[-1]:
        least_R1 = np.partition(scores_RV, -top_k, axis=-1)[:, -top_k, None]
        scores_RV = np.where(scores_RV < least_R1, -np.inf, scores_RV)
    return _softmax(scores_RV)


def _softmax(scores_RV: np.ndarray) -> np.ndarray:
    raised_RV = np.exp(scores_RV - scores_RV.max(-1, keepdims=True))
    return raised_RV / raised_RV.sum(-1, keepdims=True)


class NumpyArrays:
    """`choosing.Arrays` of NumPy."""

    def inference(self) -> AbstractContextManager:
        return nullcontext()

    def zeros(self, shape: tuple[int, ...], kind: type) -> np.ndarray:
        return np.zeros(shape, dtype=_KINDS[kind])

    def of(self, values: Any) -> np.ndarray:
        return np.asarray(values)

    def joined(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(rows)

    def where(self, condition: np.ndarray, first: Any, second: Any) -> np.ndarray:
        return np.where(condition, first, second)

    def probabilities(self, scores_RV: np.ndarray, *, top_k: int, top_p: float, temperature: float) -> np.ndarray:
        return probabilities(scores_RV, top_k=top_k, top_p=top_p, temperature=temperature)

    def picked(self, table: np.ndarray, rows: Sequence[int], places: Sequence[int]) -> np.ndarray:
        return table[list(rows), list(places)]

    def log_softmax(self, scores_RV: np.ndarray) -> np.ndarray:
        lowered_RV = scores_RV - scores_RV.max(-1, keepdims=True)
        return lowered_RV - np.log(np.exp(lowered_RV).sum(-1, keepdims=True))

    def best(self, scores: np.ndarray, count: int) -> tuple[list[float], list[int]]:
        flat = scores.ravel()
        places = np.argsort(-flat, kind="stable")[:count]
        return flat[places].tolist(), places.tolist()


ARRAYS = NumpyArrays()
