"""The order of the phone tables is what the public weights learned: a phone's id is its place."""

import pytest

from voicemill.text import symbols


def test_tables_have_the_sizes_of_the_public_weights():
    assert len(symbols.V1) == 322
    assert len(symbols.V2) == 732
    assert symbols.V2[:322] == symbols.V1


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("!", 0),
        (",", 1),
        ("UNK", 86),
        ("_", 95),
        ("zh", 320),
        ("…", 321),
        ("[", 322),
        ("空", 352),
        ("Yaa2", 362),
        ("Yz", 731),
    ],
)
def test_phones_keep_their_numbers(phone: str, number: int):
    assert symbols.ids([phone], "v2") == [number]


def test_a_phone_outside_the_table_has_no_number():
    with pytest.raises(KeyError):
        symbols.ids(["Yz"], "v1")
