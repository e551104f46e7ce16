import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import soundfile

from tests.factories import make_speaking_voice
from tests.text.g2pw_model import write_g2pw
from voicemill.contract import Overrides
from voicemill.core.errors import InputError
from voicemill.evaluation.sentences import SAMPLE, held_out_lines
from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_bert, make_hubert
from voicemill.registry import publish
from voicemill.stages.synthesize import synthesize
from voicemill.storage import open_store
from voicemill.synthesis.script import write_shard
from voicemill.voice.generation_config import Generation


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for make in (make_hubert, make_bert, make_sovits, make_gpt):
        make(folder, 1)
    return folder


@pytest.fixture(scope="module")
def voice(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_speaking_voice(tmp_path_factory.mktemp("voice"), models)


def manifest(speech: Path) -> list[dict]:
    return [json.loads(row) for row in (speech / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def test_each_line_becomes_a_marked_file_or_a_reason(voice: Path, models: Path, tmp_path: Path):
    lines = tmp_path / "lines.txt"
    lines.write_text("Good morning.\n\nIt rains today.\n...\n", encoding="utf-8")
    ledger = synthesize(voice, tmp_path / "speech", models=str(models), text=str(lines))
    assert sorted(path.name for path in (tmp_path / "speech").iterdir()) == ["0001.wav", "0003.wav", "manifest.jsonl"]
    assert {entry["item"]: entry.get("reason") for entry in ledger.entries if entry["outcome"] == "dropped"} == {
        "0002": "the line is empty",
        "0004": "nothing to speak: the text is empty or punctuation only",
    }
    with soundfile.SoundFile(tmp_path / "speech" / "0001.wav") as file:
        assert (file.samplerate, file.channels, file.subtype) == (32000, 1, "PCM_16")
        provenance = json.loads(file.comment)
        assert provenance["generated"] is True
        assert provenance["speaker"] == "ada"
        assert file.software.startswith("voicemill")
        assert len(file) == pytest.approx(32000 * manifest(tmp_path / "speech")[0]["seconds"], abs=32)


def test_what_is_not_heard_is_in_the_ledger_and_the_manifest_with_its_place(voice: Path, models: Path, tmp_path: Path):
    lines = tmp_path / "lines.txt"
    lines.write_text("Good morning 😀. It rains Ж.\n😀😀\n ?!\nNothing is silent here, 5% of it!\n", encoding="utf-8")
    ledger = synthesize(voice, tmp_path / "speech", models=str(models), text=str(lines))
    silent = [{"character": "😀", "position": 13}, {"character": "Ж", "position": 25}]
    entries = {entry["item"]: entry for entry in ledger.entries}
    assert entries["0001"]["unpronounced"] == silent
    assert "'😀' (U+1F600) at 0, '😀' (U+1F600) at 1" in entries["0002"]["reason"]
    assert entries["0003"]["reason"] == "nothing to speak: the text is empty or punctuation only"
    assert "unpronounced" not in entries["0004"]
    assert [row["unpronounced"] for row in manifest(tmp_path / "speech")] == [silent, []]


def test_every_language_and_mixtures_of_them_are_spoken(voice: Path, models: Path, tmp_path: Path):
    rows = [
        {"text": "今日はいい天気ですね。3時30分に会いましょう。", "language": "ja"},
        {"text": "오늘 날씨가 좋네요. 사과 3개를 샀어요.", "language": "ko"},
        {"text": "你好，今日天氣好好。", "language": "yue"},
        {"text": "我用Python写了3个脚本。", "language": "zh"},
        {"text": "今天我们说English，そして日本語、그리고 한국어。", "language": "auto"},
        {"text": "我哋用Python寫程式。", "language": "auto_yue"},
        {"text": "Python入門", "language": "all_ja"},
    ]
    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    ledger = synthesize(voice, tmp_path / "speech", models=str(models), text=str(lines))
    spoken = manifest(tmp_path / "speech")
    assert ledger.dropped == 0
    assert [row["language"] for row in spoken] == [row["language"] for row in rows]
    assert all(row["seconds"] > 0.3 and not row["unpronounced"] for row in spoken)


def test_a_voice_s_own_words_are_said_its_way_and_the_run_s_go_over_them(voice: Path, models: Path, tmp_path: Path):
    own = shutil.copytree(voice, tmp_path / "voice")
    (own / "lexicon.csv").write_text("word,reading\nmorning,N UW1 N\ntea,K AA1 F IY0\n", encoding="utf-8")
    lexicon = tmp_path / "words.csv"
    lexicon.write_text("word,reading\nmorning,IY1 V N IH0 NG\n", encoding="utf-8")

    def said(folder: Path, name: str, lines: str, **options: str) -> bytes:
        synthesize(folder, tmp_path / name, models=str(models), text=lines, **options)  # pyright: ignore[reportArgumentType]
        return (tmp_path / name / "0001.wav").read_bytes()[-4000:]

    assert said(own, "a", "Good morning to you.") == said(voice, "b", "Good noon to you.")
    assert said(own, "c", "Morning tea is good.", lexicon=str(lexicon)) == said(voice, "d", "Evening coffee is good.")


def test_polyphones_are_read_as_the_training_texts_were(voice: Path, models: Path, tmp_path: Path):
    own = shutil.copytree(voice, tmp_path / "voice")
    with_g2pw = shutil.copytree(models, tmp_path / "models")
    write_g2pw(with_g2pw)
    cases = [(None, models, "pypinyin"), (None, with_g2pw, "g2pw"), ("pypinyin", with_g2pw, "pypinyin")]
    cases += [("g2pw", with_g2pw, "g2pw"), ("g2pw", models, "pypinyin")]
    for number, (recorded, folder, reader) in enumerate(cases):
        if recorded:
            (own / "reading.json").write_text(json.dumps({"polyphones": recorded}))
        ledger = synthesize(
            own, tmp_path / f"{number}", models=str(folder), text="他们都行。", language="zh", seed=number
        )
        assert ledger.summary()["polyphones"] == reader


def test_json_lines_set_language_speed_and_seed(voice: Path, models: Path, tmp_path: Path):
    rows = [
        {"text": "你好，今天天气很好。", "language": "zh", "seed": 4},
        {"text": "Good morning.", "speed": 1.5},
        {"text": "Good morning.", "sped": 1.5},
        {"text": "Bonjour.", "language": "fr"},
        {"text": "Too fast.", "speed": 20},
    ]
    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    ledger = synthesize(voice, tmp_path / "speech", models=str(models), text=str(lines))
    spoken = manifest(tmp_path / "speech")
    assert [(row["file"], row["language"], row["speed"], row["seed"]) for row in spoken] == [
        ("0001.wav", "zh", 1.0, 4),
        ("0002.wav", "en", 1.5, 0),
    ]
    reasons = [entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"]
    assert len(reasons) == 3
    assert all(word in reason for word, reason in zip(("sped", "fr", "not 20"), reasons, strict=True))


def test_text_on_the_command_line_is_spoken_the_same_each_time(voice: Path, models: Path, tmp_path: Path):
    for name in ("a", "b"):
        synthesize(voice, tmp_path / name, models=str(models), text="Good morning to you.", seed=3)
    assert (tmp_path / "a" / "0001.wav").read_bytes() == (tmp_path / "b" / "0001.wav").read_bytes()


def test_without_a_prompt_the_words_of_the_reference_do_not_matter(voice: Path, models: Path, tmp_path: Path):
    other = shutil.copytree(voice, tmp_path / "other")
    told = json.loads((other / "voice.json").read_text(encoding="utf-8"))
    told["reference"]["text"] = "我们去。"
    (other / "voice.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")

    def speaking(folder: Path, *, prompted: bool) -> bytes:
        speech = tmp_path / f"{folder.name}-{prompted}"
        speech.mkdir()
        manner = Overrides[Generation]({"use_prompt": prompted})
        synthesize(folder, speech, models=str(models), text="Hello there.", generation=manner)
        (file,) = speech.glob("*.wav")
        return soundfile.read(file)[0].tobytes()

    assert speaking(voice, prompted=False) == speaking(other, prompted=False)
    assert speaking(voice, prompted=True) != speaking(other, prompted=True)


def test_without_lines_it_speaks_sentences_in_the_voices_language(voice: Path, models: Path, tmp_path: Path):
    synthesize(voice, tmp_path / "speech", models=str(models))
    assert [row["text"] for row in manifest(tmp_path / "speech")] == held_out_lines("en", SAMPLE)


def test_lines_of_which_none_can_be_spoken_end_with_the_first_reason(voice: Path, models: Path, tmp_path: Path):
    with pytest.raises(InputError, match="nothing to speak"):
        synthesize(voice, tmp_path / "speech", models=str(models), text="!!!")


def test_a_damaged_voice_is_refused(voice: Path, models: Path, tmp_path: Path):
    damaged = shutil.copytree(voice, tmp_path / "voice")
    (damaged / "gpt.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="gpt.safetensors"):
        synthesize(damaged, tmp_path / "speech", models=str(models), text="Good morning.")


LONG = [{"text": f"It rains for the {word} day.", "seed": number} for number, word in enumerate(("first", "second"))]
LONG += [{"text": f"Number {number} is here."} for number in range(3, 21)]


def shard_of(path: Path, rows: list[dict], first: int = 1) -> Path:
    write_shard(path, enumerate(rows, start=first))
    return path


def names_in(batch: Path) -> list[str]:
    with tarfile.open(batch) as tar:
        return tar.getnames()


def spoken_of(speech: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in speech.glob("*.wav")}


def test_a_line_sounds_the_same_in_whatever_shard_and_batch_it_is(voice: Path, models: Path, tmp_path: Path):
    rows = LONG[:7]
    synthesize(voice, tmp_path / "all", shard_of(tmp_path / "all.jsonl", rows), models=str(models))
    whole = spoken_of(tmp_path / "all")
    assert len(whole) == 7 and len(set(whole.values())) == 7
    apart: dict[str, bytes] = {}
    for first, last in ((0, 1), (1, 4), (4, 7)):
        shard = shard_of(tmp_path / f"{first}.jsonl", rows[first:last], first + 1)
        synthesize(voice, tmp_path / f"{first}", shard, models=str(models), batch_size=2)
        apart |= spoken_of(tmp_path / f"{first}")
    assert apart == whole


def test_a_shard_may_have_nothing_to_say(voice: Path, models: Path, tmp_path: Path):
    shard = shard_of(tmp_path / "0.jsonl", [{"text": "..."}], 12)
    ledger = synthesize(voice, tmp_path / "speech", shard, models=str(models))
    assert [(entry["item"], entry["outcome"]) for entry in ledger.entries] == [("000012", "dropped")]
    assert ledger.summary()["seconds"] == 0 and manifest(tmp_path / "speech") == []


def test_a_shard_that_is_killed_and_stopped_goes_on_by_line(voice: Path, models: Path, tmp_path: Path):
    state, shard = tmp_path / "state", shard_of(tmp_path / "0.jsonl", [*LONG, {"text": "!!!"}])
    command = [
        sys.executable,
        "-m",
        "voicemill.stages.synthesize",
        "--voice",
        voice,
        "--shard",
        shard,
        "--models",
        models,
    ]
    command += ["--speech", tmp_path / "speech", "--state", state, "--batch-size", "1"]

    def until_more_than(batches: int, process: subprocess.Popen) -> None:
        while len(list(state.glob("*.tar"))) <= batches:
            assert process.poll() is None, "it ended before it could be stopped"
            time.sleep(0.02)

    seen: dict[str, int] = {}
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 75)):
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_more_than(len(seen), process)
        process.send_signal(number)
        assert process.wait(300) == code
        kept = {path.name: path.stat().st_mtime_ns for path in state.glob("*.tar")}
        assert seen.items() < kept.items(), "what was spoken before is still there"
        seen = kept
        assert not (tmp_path / "speech").exists()
    assert len(seen) < 10, "there was nothing left to speak"
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert {path.name: path.stat().st_mtime_ns for path in state.glob("*.tar")}.items() > seen.items()
    files = [name for path in state.glob("*.tar") for name in names_in(path) if name.endswith(".wav")]
    assert len(files) == len(set(files)) == len(LONG), "no line is lost, none is spoken twice"
    entries = [json.loads(row) for row in (tmp_path / "speech.ledger.jsonl").read_text().splitlines()]
    assert [entry["item"] for entry in entries] == [f"{number:06d}" for number in range(1, len(LONG) + 2)]
    assert [entry["outcome"] for entry in entries] == ["kept"] * len(LONG) + ["dropped"]
    synthesize(voice, tmp_path / "undisturbed", shard, models=str(models))
    assert spoken_of(tmp_path / "speech") == spoken_of(tmp_path / "undisturbed")


def test_only_what_changed_is_spoken_again(voice: Path, models: Path, tmp_path: Path):
    state, rows = tmp_path / "state", LONG[:5]
    synthesize(voice, tmp_path / "one", shard_of(tmp_path / "one.jsonl", rows), state, models=str(models), batch_size=1)
    assert len(list(state.glob("*.tar"))) == 2
    rows = [*rows[:2], rows[2] | {"seed": 9}, *rows[3:]]
    synthesize(voice, tmp_path / "two", shard_of(tmp_path / "two.jsonl", rows), state, models=str(models))
    (third,) = set(state.glob("*.tar")) - {state / "000000.tar", state / "000001.tar"}
    assert names_in(third) == ["rows.jsonl", "000003.wav"]
    one, two = spoken_of(tmp_path / "one"), spoken_of(tmp_path / "two")
    assert {name for name in one if one[name] != two[name]} == {"000003.wav"}
    slow = Overrides[Generation]({"pause": 0.5})
    synthesize(
        voice, tmp_path / "slow", shard_of(tmp_path / "s.jsonl", rows), state, models=str(models), generation=slow
    )
    assert not {"000001.tar", "000002.tar"} & {path.name for path in state.glob("*.tar")}, "all of it is spoken anew"


def test_a_voice_is_taken_from_a_registry_by_its_alias(voice: Path, models: Path, tmp_path: Path):
    place = tmp_path / "registry"
    version = publish(voice, open_store(place)).version
    given = {"models": str(models), "text": "Good morning.", "registry": str(place)}
    synthesize(None, tmp_path / "speech", voice_at="ada@latest", **given)  # pyright: ignore[reportArgumentType]
    assert [row["voice"] for row in manifest(tmp_path / "speech")] == [version]
    with pytest.raises(InputError, match="ada has no version prod"):
        synthesize(None, tmp_path / "none", voice_at="ada@prod", **given)  # pyright: ignore[reportArgumentType]
