"""Which label belongs to which clip."""

import pytest

from voicemill.asr.own_labels import match
from voicemill.audio.clip_names import name_of, place_of
from voicemill.dataset.labels import Label

CLIPS = [
    "one-11111111_0000000000_0000032000.wav",
    "two-22222222_0000000000_0000032000.wav",
    "two-22222222_0000032000_0000064000.wav",
    "same-33333333_0000000000_0000032000.wav",
    "same-44444444_0000000000_0000032000.wav",
]
SOURCES = {
    "one-11111111": "one.flac",
    "two-22222222": "two.flac",
    "same-33333333": "a/same.wav",
    "same-44444444": "b/same.wav",
    "gone-55555555": "gone.wav",
}


def label(path: str) -> Label:
    return Label(path, "s", "en", f"words of {path}")


def test_a_label_names_its_clip_with_or_without_folder_and_extension() -> None:
    labels = [label(f"out/{CLIPS[0]}"), label(CLIPS[1].removesuffix(".wav"))]
    assert match(labels, CLIPS, {}).by_clip == {CLIPS[0]: labels[0], CLIPS[1]: labels[1]}


def test_a_label_of_an_uncut_recording_is_its_clips() -> None:
    for path in ("one.flac", "one.wav", "/data/speaker/one.flac"):
        assert match([label(path)], CLIPS, SOURCES).by_clip == {CLIPS[0]: label(path)}


def test_a_label_of_a_cut_recording_is_not_shared_out_and_that_is_noted() -> None:
    found = match([label("two.flac")], CLIPS, SOURCES)
    assert not found.by_clip
    assert set(found.notes) == set(CLIPS[1:3])
    assert "cut into 2 clips" in found.notes[CLIPS[1]]
    assert [reason for _, reason in found.unused] == ["the recording was cut into 2 clips"]


def test_folders_tell_recordings_of_one_name_apart() -> None:
    labels = [label("b/same.wav"), label("/x/a/same.wav")]
    assert match(labels, CLIPS, SOURCES).by_clip == {CLIPS[4]: labels[0], CLIPS[3]: labels[1]}


def test_an_ambiguous_name_is_not_guessed() -> None:
    found = match([label("same.wav")], CLIPS, SOURCES)
    assert not found.by_clip
    reason = "2 recordings match this name ('a/same.wav', 'b/same.wav'); give more of the path"
    assert found.unused == [(label("same.wav"), reason)]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("caf\u00e9.flac", "cafe\u0301.flac"),
        ("cafe\u0301.wav", "caf\u00e9.flac"),
        ("GOOD.FLAC", "good.flac"),
        ("sub/Stra\u00dfe.wav", "SUB/STRASSE.wav"),
    ],
)
def test_a_recordings_name_is_found_in_any_form_and_case(written: str, stored: str) -> None:
    found = match([label(written)], ["r_0000000000_0000000001.wav"], {"r": stored})
    assert list(found.by_clip) == ["r_0000000000_0000000001.wav"]


def test_of_names_that_differ_in_case_alone_the_exact_one_counts_and_no_other_is_guessed() -> None:
    clips = ["a_0000000000_0000000001.wav", "b_0000000000_0000000001.wav"]
    sources = {"a": "Anna.wav", "b": "anna.wav"}
    assert list(match([label("anna.wav")], clips, sources).by_clip) == [clips[1]]
    found = match([label("ANNA.wav")], clips, sources)
    assert not found.by_clip and "'Anna.wav', 'anna.wav'" in found.unused[0][1]


def test_a_clips_name_is_found_in_any_form_and_case() -> None:
    assert list(match([label("CAFE\u0301_1.WAV")], ["caf\u00e9_1.wav"], {}).by_clip) == ["caf\u00e9_1.wav"]


def test_a_near_name_is_named() -> None:
    assert match([label("onne.wav")], CLIPS, {"r": "one.wav"}).unused[0][1].endswith("did you mean 'one.wav'?")


def test_a_clips_own_label_stands_before_its_recordings() -> None:
    labels = [label("one.flac"), label(CLIPS[0])]
    found = match(labels, CLIPS, SOURCES)
    assert found.by_clip == {CLIPS[0]: labels[1]}
    assert len(found.unused) == 1


def test_labels_without_a_clip_are_returned_with_the_reason() -> None:
    found = match([label("gone.wav"), label("never.wav")], CLIPS, SOURCES)
    assert [reason for _, reason in found.unused] == [
        "no clip was made of the recording",
        "no clip or recording has this name",
    ]


def test_a_clips_name_tells_its_place() -> None:
    assert place_of("my_voice-11111111_0000000000_0000032000.wav") == ("my_voice-11111111", 0, 32_000)
    assert place_of("my_voice.wav") == ("my_voice", 0, 0)
    assert place_of(name_of("a_1_2", 3, 4)) == ("a_1_2", 3, 4)
