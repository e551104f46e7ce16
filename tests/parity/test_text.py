"""Which rows of the text front-end may differ from the reference's, and by which rule."""

from voicemill.parity import text


def test_a_character_that_the_reference_s_table_has_wrong_is_a_listed_difference():
    assert text.other_character({"text": "榜首", "norm": "搒首"}, {"norm": "榜首"}) == text.CHARACTERS
    assert text.other_character({"text": "榜首", "norm": "榜首是"}, {"norm": "榜首"}) == ""
    assert text.other_character({"text": "你好", "norm": "您好"}, {"norm": "你好"}) == ""


def test_the_list_has_only_characters_that_are_read_otherwise():
    assert all(text.normalization.simplify(sign) != reference for sign, reference in text.characters().items())
