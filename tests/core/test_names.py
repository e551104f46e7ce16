"""Two names are one, or they are not."""

from __future__ import annotations

import pytest

from voicemill.core.names import Names, forms, normal, speaker_problem

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
IMPOSSIBLE = ["", " ", "a\nb", "a\r", "a\0b", "a\u2028b", "\u202eanna", "\ud800", " a", "a/b", "a\\b"]
POSSIBLE = ["anna", "Anna Maria", "\u8bf4\u8bdd\u4eba", DECOMPOSED, "O'Neill-2", "\u0645\u06cc\u200c\u0646\u0627"]


def test_the_same_letters_are_one_name_in_any_form() -> None:
    assert normal(DECOMPOSED) == COMPOSED
    assert forms(DECOMPOSED) == (COMPOSED, DECOMPOSED) and forms("anna") == ("anna",)
    for stored in (COMPOSED, DECOMPOSED):
        for asked in (COMPOSED, DECOMPOSED):
            assert Names([stored, "other"]).sole(asked) == stored


def test_another_case_is_found_where_only_one_other_could_be_meant() -> None:
    assert Names(["GOOD.FLAC"]).sole("good.flac") == "GOOD.FLAC"
    assert Names(["STRASSE", "x"]).sole("Stra\u00dfe") == "STRASSE"
    several = Names(["Anna", "anna"])
    assert several.sole("anna") == "anna" and several.sole("Anna") == "Anna"
    assert several.sole("ANNA") is None and several.find("ANNA") == ["Anna", "anna"]
    assert several.hint("ANNA") == "; did you mean 'Anna' or 'anna'?"


def test_a_near_name_is_hinted_at_and_a_far_one_is_not() -> None:
    assert Names(["recording_1.wav"]).hint("recording-1.wav") == "; did you mean 'recording_1.wav'?"
    assert Names(["recording_1.wav"]).hint("x.wav") == ""


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\r", "a\0b", "a\u2028b", "\u202eanna", "\ud800", " a", "a/b", "a\\b"]
)
def test_what_no_speaker_can_be_called_is_said(name: str) -> None:
    assert speaker_problem(name)


@pytest.mark.parametrize(
    "name", ["anna", "Anna Maria", "\u8bf4\u8bdd\u4eba", DECOMPOSED, "O'Neill-2", "\u0645\u06cc\u200c\u0646\u0627"]
)
def test_names_of_all_scripts_are_names(name: str) -> None:
    assert speaker_problem(name) == ""
