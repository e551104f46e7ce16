"""Golden cases of the text front-end.

A row is one sentence. A case passes when every row is equal; rows that differ by one of the rules below are counted,
and make the case `differs` while they are few enough: 5 % of the English lines, 2 % of the others.
"""

from __future__ import annotations

import csv
import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voicemill.core.errors import UsageError
from voicemill.parity.runner import Case, Differs, covers
from voicemill.text import cuts, english, mandarin, phonemize, phonemize_segment, segmentation, symbols
from voicemill.text.english import dictionary
from voicemill.text.mandarin import normalization, words

WORD_LISTS = "decision 5: the reference reads a word by its own list, we by CMUdict and its letter-to-sound model"
MARKS_ALONE = "decision 6: the reference takes marks alone for an empty English text, we keep them as pauses"
UNKNOWN_LANGUAGE = "decision 7: the reference says nothing for an unknown language, we refuse it"
LONG_PHRASES = "decision 8: the reference leaves a phrase longer than 510 characters, which BERT cannot read; we cut it"
CHARACTERS = "decision 15: the reference's table of traditional characters has some that OpenCC has otherwise"

Row = dict[str, Any]


def check_rows(case: Case, speak: Callable[[Row], Row], why: Callable[[Row, Row], str], share: float = 0.02) -> None:
    """Compare every row; `why` names the rule by which a row may differ, or is empty."""
    rows, wrong, reasons = case.rows()["rows"], [], Counter()
    for row in rows:
        got = speak(row)
        if any(row[key] != value for key, value in got.items()):
            reason = why(row, got)
            if reason:
                reasons[reason] += 1
            else:
                wrong.append((row["text"], {key: (value, row[key]) for key, value in got.items() if row[key] != value}))
    assert not wrong, f"{len(wrong)} of {len(rows)} rows: {wrong[:3]}"
    assert reasons.total() <= share * len(rows), f"{reasons.total()} of {len(rows)} rows differ: {dict(reasons)}"
    if reasons:
        raise Differs("; ".join(f"{count} of {len(rows)} rows: {reason}" for reason, count in reasons.items()))


def exactly(row: Row, got: Row) -> str:
    return ""


@functools.cache
def characters() -> dict[str, str]:
    """Character -> what the reference's table makes of it, of those that OpenCC makes another one of."""
    with Path(__file__).with_name("characters.csv").open(encoding="utf-8") as file:
        return {row["character"]: row["reference"] for row in csv.DictReader(file)}


def other_character(row: Row, got: Row) -> str:
    """Return the rule for Chinese: the reference's table makes another character of one of the text."""
    there = [
        sign
        for sign in row["text"]
        if sign in characters() and characters()[sign] in str(row.get("norm", row.get("sentences")))
    ]
    return CHARACTERS if there else ""


def spoken(text: str, language: str, version: str, **options: Any) -> Row:
    segment = phonemize_segment(text, language, version, as_reference=True, **options)
    return {
        "norm": segment.norm_text,
        "phones": segment.phones,
        "ids": symbols.ids(segment.phones, version),
        "word2ph": segment.word2ph,
    }


@covers("D_text", "zh_g2pw_standin", "zh_v1", "yue", "ja", "ko")
def one_language(case: Case) -> None:
    language, version = case.rows()["language"], case.rows()["version"]
    why = other_character if language in ("zh", "yue") else exactly
    check_rows(case, lambda row: spoken(row["text"], language, version), why)


@covers("D_text", "zh_pypinyin")
def word_by_word(case: Case) -> None:
    check_rows(case, lambda row: spoken(row["text"], "zh", "v2", read=mandarin.phonemize_by_word), other_character)


@covers("D_text", "zh_normalize")
def chinese_normalization(case: Case) -> None:
    def normalized(row: Row) -> Row:
        segmented = words.segment(mandarin.normalize(row["text"]))
        return {
            "sentences": normalization.sentences(row["text"]),
            "words_pos": [[word.text, word.tag] for word in segmented],
        }

    check_rows(case, normalized, other_character)


@covers("D_text", "en", "mixed_as_en")
def english_text(case: Case) -> None:
    def speak(row: Row) -> Row:
        if "pos_tags" not in row:
            return spoken(row["text"], "en", "v2")
        tags = [tag for _, tag in row["pos_tags"]]
        return spoken(row["text"], "en", "v2", read=functools.partial(english.phonemize, tags=tags, as_reference=True))

    check_rows(case, speak, other_word_list, share=0.05)


def other_word_list(row: Row, got: Row) -> str:
    """Return the rule for English: all equal but the phones of at most two words that a dictionary decides."""
    if row["norm"] != got["norm"]:
        return ""
    tags = [tag for _, tag in row.get("pos_tags", [])] or [""] * len(english.tokens(row["norm"]))
    tokens = english.tokens(row["norm"])
    said = [english.phonemize(token, [tag], as_reference=True).phones for token, tag in zip(tokens, tags, strict=True)]
    said = [
        phones[1:] if phones[:1] == [","] and token != "," else phones
        for token, phones in zip(tokens, said, strict=True)
    ]
    free = [
        len(token) > 1 and token[0].isalpha() and token.lower() not in dictionary.homographs(True) for token in tokens
    ]
    fewest = replaced_words(said, free, row["phones"])
    return WORD_LISTS if fewest is not None and fewest <= 2 else ""


def replaced_words(said: list[list[str]], free: list[bool], wanted: list[str]) -> int | None:
    """How many of the `free` words must be said otherwise for the phones to be `wanted`; None if that is not all."""

    @functools.cache
    def fewest(word: int, at: int) -> float:
        if word == len(said):
            return 0.0 if at == len(wanted) else float("inf")
        phones = said[word]
        best = fewest(word + 1, at + len(phones)) if wanted[at : at + len(phones)] == phones else float("inf")
        if free[word]:
            spans = range(at, min(len(wanted), at + 2 * len(phones) + 4) + 1)
            best = min([best, *(1 + fewest(word + 1, end) for end in spans)])
        return best

    count = fewest(0, 0)
    return None if count == float("inf") else int(count)


@covers("D_text", "unknown_lang")
def unknown_language(case: Case) -> None:
    for row in case.rows()["rows"]:
        try:
            phonemize_segment(row["text"], case.rows()["language"])
        except UsageError:
            continue
        raise AssertionError(f"{row['text']!r} was spoken")
    raise Differs(UNKNOWN_LANGUAGE)


@covers("D_text", "symbols", "symbol_tables")
def symbol_tables(case: Case) -> None:
    tables = case.rows()
    assert list(symbols.V1) == tables["v1"]
    assert list(symbols.V2) == tables["v2"]


@covers("D_text", "langseg")
def language_segmentation(case: Case) -> None:
    def segmented(row: Row) -> Row:
        answers = {(text, count): [tuple(found) for found in founds] for text, count, founds in row["detector"]}
        result = {}
        for key in row.keys() - {"text", "detector"}:
            default = "" if key == "auto" else key
            stretches = segmentation.segment(
                row["text"], default, lambda text, count: answers[text, count], as_reference=True
            )
            result[key] = [{"lang": stretch.language, "text": stretch.text} for stretch in stretches]
        return result

    check_rows(case, segmented, exactly)


@covers("D_text", "cuts")
def sentence_cuts(case: Case) -> None:
    check_rows(case, lambda row: {name: cut(row["text"]) for name, cut in cuts.CUTS.items()}, exactly)


@covers("D_text", "preseg")
def pieces(case: Case) -> None:
    def long_phrase(row: Row, got: Row) -> str:
        if "error" in row["texts"]:
            return ""
        whole = "".join(row["texts"]) == "".join(got["texts"])
        return LONG_PHRASES if whole and max(map(len, row["texts"]), default=0) > cuts.LONGEST else ""

    def cut(row: Row) -> Row:
        texts = cuts.pieces(row["text"], row["lang"], row["method"])
        # Where nothing is left to say the reference raises an error whose sentence depends on the machine's language.
        return {"texts": texts or (row["texts"] if "error" in row["texts"] else [])}

    check_rows(case, cut, long_phrase)


@covers("D_text", "routing")
def routing(case: Case) -> None:
    def speak(row: Row) -> Row:
        phonemes = phonemize(row["text"], row["lang"], "v2", as_reference=True)
        return {"norm": phonemes.norm_text, "ids": phonemes.ids}

    def marks_alone(row: Row, got: Row) -> str:
        return MARKS_ALONE if row["norm"] == " " and not any(c.isalnum() for c in row["text"]) else ""

    check_rows(case, speak, marks_alone)
