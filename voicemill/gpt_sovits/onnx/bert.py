"""Chinese BERT by ONNX Runtime, without torch and transformers.

bert.onnx        what `bert_graph` returns
tokenizer.json   the model's own
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from voicemill.core.errors import BrokenModelError, InputError
from voicemill.gpt_sovits.features.bert_rows import Segment, by_phone, by_segment, check_length
from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS
from voicemill.gpt_sovits.onnx.session import metadata, running, session
from voicemill.text.mandarin.wordpiece import WordPiece

GRAPH, TOKENIZER = "bert.onnx", "tokenizer.json"
_HINT = "write it again with `voicemill models export-onnx`"


class OnnxBert:
    """BERT rows of a text's segments, as `synthesis.fragments.BertFeatures`.

    Args:
        folder: Of the graph and its tokenizer.

    Raises:
        InputError: One of them is missing or damaged.
    """

    def __init__(self, folder: Path):
        self._file = folder / GRAPH
        self._tokenizer = WordPiece.read(folder / TOKENIZER)
        self._session = session(self._file, _HINT)
        noted = metadata(self._session).get("positions", "")
        if not noted.isdecimal():
            raise InputError(f"{self._file} does not say how many tokens it reads; {_HINT}")
        self._positions = int(noted)

    def __call__(self, segments: Iterable[Segment]) -> np.ndarray:
        """Return the rows `[1024, P]`, float32: zeros where the text is not Mandarin.

        Raises:
            InputError: A sentence is longer than the model reads.
            BrokenModelError: The graph does not read the tokens, or has rows of another size.
        """
        return by_segment(segments, self._rows)

    def _rows(self, text: str, word2ph: Sequence[int]) -> np.ndarray:
        encoded = self._tokenizer.encode(text)
        check_length(text, len(encoded.spans), self._positions)
        with running(self._file.name, f"does not fit its tokenizer; {_HINT}"):
            (rows_1TC,) = self._session.run(["rows"], {"tokens": np.array([encoded.ids], dtype=np.int64)})
        rows_1TC = np.asarray(rows_1TC)
        wanted = (1, len(encoded.ids), BERT_CHANNELS)
        if rows_1TC.shape != wanted:
            raise BrokenModelError(f"{self._file} gives {rows_1TC.shape} rows where {wanted} are read; {_HINT}")
        return by_phone(rows_1TC[0, 1:-1], encoded.spans, word2ph)
