"""The server as its clients meet it: the `openai` package, curl, and those that misbehave."""

from __future__ import annotations

import base64
import io
import json
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import openai
import pytest
import requests
import soundfile

from tests.serving.running import Server, serving
from tests.small_voice import STEADY, make_voice
from voicemill.registry import open_registry, promote, publish, records
from voicemill.registry.revocation import revoke
from voicemill.voice.generation_config import Generation

LINE = "Good morning, the rain has stopped."
LONG = "She put the cake on the table and went away. " * 4
SHOP, GUEST = "shop-key-of-the-tests", "guest-key-of-the-tests"
QUEUE = 8


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with two versions of ada, the first of which is `prod`, and one of carol."""
    folder = tmp_path_factory.mktemp("served")
    store = open_registry(str(folder / "registry"))
    first = publish(make_voice(folder / "ada1", "ada"), store)
    promote(store, records.find(store, "ada", first.version), "prod", by="test")  # type: ignore[arg-type]
    publish(make_voice(folder / "ada2", "ada", Generation(**{**vars(STEADY), "pause": 0.2})), store)
    publish(make_voice(folder / "carol", "carol"), store)
    make_voice(folder / "bob", "bob")
    (folder / "keys.yaml").write_text(
        f"keys:\n- {{name: shop, key: {SHOP}, voices: ['*']}}\n- {{name: guest, key: {GUEST}, voices: [bob]}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def server(registry: Path) -> Iterator[Server]:
    options = ["--registry", str(registry / "registry"), "--keys", str(registry / "keys.yaml"), "--watch", "0.5"]
    options += ["--queue", str(QUEUE), "--longest-input", "10000"]
    with serving("ada@prod", "carol", str(registry / "bob"), *options) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.origin}/v1", api_key=SHOP, max_retries=0, timeout=120)


def decoded(content: bytes) -> tuple[float, dict[str, str]]:
    """Seconds of a file of any format, and what it says of itself."""
    with av.open(io.BytesIO(content)) as file:
        about = {**file.metadata, **file.streams.audio[0].metadata}
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    return seconds, {name.lower(): value for name, value in about.items()}


def test_the_openai_package_gets_a_whole_marked_file(client: openai.OpenAI) -> None:
    answer = client.audio.speech.create(
        model="tts-1", voice="bob", input=LINE, response_format="wav", extra_body={"seed": 3}
    )
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert rate == 32000
    assert len(samples) > rate and np.abs(samples).max() > 1000
    noted = json.loads(soundfile.SoundFile(io.BytesIO(answer.content)).comment)
    assert (noted["generated"], noted["speaker"], noted["text"], noted["seed"]) == (True, "bob", LINE, 3)
    assert answer.response.headers["x-voicemill-seed"] == "3"
    assert next(model.id for model in client.models.list()) == "voicemill"


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav"])
def test_every_format_is_as_long_as_the_speech_and_says_that_a_machine_spoke(
    client: openai.OpenAI, format: str
) -> None:
    wav = client.audio.speech.create(model="voicemill", voice="bob", input=LINE, response_format="wav").content
    said = client.audio.speech.create(model="voicemill", voice="bob", input=LINE, response_format=format)  # type: ignore[arg-type]
    seconds, about = decoded(said.content)
    assert seconds == pytest.approx(decoded(wav)[0], abs=0.15)
    assert '"generated": true' in about["comment"]


def test_raw_samples_are_24_khz_as_clients_of_openai_take_for_granted(client: openai.OpenAI) -> None:
    wav = client.audio.speech.create(model="voicemill", voice="bob", input=LINE, response_format="wav").content
    pcm = client.audio.speech.create(model="voicemill", voice="bob", input=LINE, response_format="pcm").content
    assert len(pcm) / 2 / 24000 == pytest.approx(decoded(wav)[0], abs=0.01)


def test_the_openai_package_streams_bytes_and_events(client: openai.OpenAI, server: Server) -> None:
    began = time.monotonic()
    arrived = []
    with client.audio.speech.with_streaming_response.create(
        model="voicemill", voice="bob", input=LONG, response_format="pcm"
    ) as answer:
        parts = []
        for part in answer.iter_bytes():
            parts.append(part)
            arrived.append(time.monotonic() - began)
    assert len(b"".join(parts)) > 24000
    assert arrived[0] < 0.7 * arrived[-1]
    answer = server.speech(key=SHOP, input=LINE, stream_format="sse", response_format="mp3")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(row.removeprefix("data: ")) for row in answer.text.split("\n\n") if row]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert decoded(sound)[0] > 1
    usage = events[-1]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 50


def test_a_seed_and_a_speed_are_kept_to(server: Server) -> None:
    first, again = (server.speech(key=SHOP, input=LINE, seed=5).content for _ in range(2))
    assert first == again
    fast = server.speech(key=SHOP, input=LINE, seed=5, speed=2).content
    assert decoded(fast)[0] == pytest.approx(decoded(first)[0] / 2, rel=0.2)


def test_a_plain_curl_gets_speech(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "said.mp3"
    body = json.dumps({"model": "tts-1", "voice": "bob", "input": LINE})
    command = ["curl", "-sS", "--fail", f"{server.origin}/v1/audio/speech", "-o", str(out), "-d", body]
    command += ["-H", f"Authorization: Bearer {SHOP}", "-H", "Content-Type: application/json"]
    subprocess.run(command, check=True)
    assert decoded(out.read_bytes())[0] > 1


def test_clients_of_gpt_sovits_are_served_and_may_not_change_the_server(server: Server) -> None:
    headers = {"authorization": f"Bearer {GUEST}"}
    asked = {"text": LINE, "text_lang": "en", "ref_audio_path": "/data/ref.wav", "prompt_text": "", "seed": 3}
    said = requests.post(f"{server.origin}/tts", json=asked, headers=headers, timeout=60)
    assert said.headers["content-type"] == "audio/wav"
    assert decoded(said.content)[0] > 1
    raw = {**asked, "streaming_mode": "true", "media_type": "raw", "top_k": 1, "speed_factor": 1.5}
    said = requests.get(f"{server.origin}/tts", params=raw, headers=headers, timeout=60)
    assert said.status_code == 200 and len(said.content) > 24000
    wrong = requests.get(f"{server.origin}/tts", params={**asked, "text_lang": "tlh"}, headers=headers, timeout=60)
    assert (wrong.status_code, wrong.json()) == (400, {"message": "text_lang: tlh is not supported"})
    for path in ("set_gpt_weights?weights_path=/x", "set_sovits_weights?weights_path=/x", "control?command=exit"):
        refused = requests.get(f"{server.origin}/{path}", headers=headers, timeout=60)
        assert refused.status_code == 403
        assert "would change the voice of all clients" in refused.json()["message"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"input": ""}, 400, "invalid_value", "input"),
        ({"input": "..."}, 400, "invalid_value", "input"),
        ({"input": "x" * 10_001}, 400, "string_above_max_length", "input"),
        ({"speed": 9}, 400, "invalid_value", "speed"),
        ({"response_format": "midi"}, 400, "invalid_value", "response_format"),
        ({"seed": -1}, 400, "invalid_value", "seed"),
        ({"language": "tlh"}, 400, "invalid_value", "language"),
        ({"colour": "red"}, 400, "invalid_value", "colour"),
        ({"voice": "nobody"}, 404, "voice_not_found", "voice"),
        ({"model": "gpt-9"}, 404, "model_not_found", "model"),
        ({"key": ""}, 401, "invalid_api_key", None),
        ({"key": "no key of this server"}, 401, "invalid_api_key", None),
        ({"key": GUEST, "voice": "ada"}, 403, "voice_not_allowed", "voice"),
        ({"input": "word " * 60_000}, 413, None, None),
    ],
)
def test_what_cannot_be_served_is_answered_in_openais_form(
    server: Server, fields: dict, status: int, code: str | None, param: str | None
) -> None:
    answer = server.speech(**{"key": SHOP, **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["message"] and error["type"]


def test_the_openai_package_understands_the_errors(client: openai.OpenAI, server: Server) -> None:
    with pytest.raises(openai.NotFoundError, match="the voice 'nobody' is not served here"):
        client.audio.speech.create(model="voicemill", voice="nobody", input=LINE)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="another-key-altogether").models.list()
    with pytest.raises(openai.BadRequestError, match="nothing to speak"):
        client.audio.speech.create(model="voicemill", voice="bob", input="…")
    broken = requests.post(
        f"{server.origin}/v1/audio/speech",
        data=b'{"model": ',
        headers={"authorization": f"Bearer {SHOP}", "content-type": "application/json"},
        timeout=30,
    )
    assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_key_sees_its_own_voices_alone(server: Server) -> None:
    def seen(key: str) -> list[str]:
        answer = requests.get(f"{server.origin}/v1/voices", headers={"authorization": f"Bearer {key}"}, timeout=30)
        return [voice["id"] for voice in answer.json()["data"]]

    assert seen(SHOP) == ["ada@prod", "carol", "bob"]
    assert seen(GUEST) == ["bob"]


def test_what_would_be_pronounced_is_shown(server: Server) -> None:
    answer = requests.post(
        f"{server.origin}/v1/pronounce",
        json={"voice": "bob", "input": "Good morning 😀."},
        headers={"authorization": f"Bearer {SHOP}"},
        timeout=30,
    ).json()
    assert "UH1" in answer["pieces"][0]["phones"]
    assert answer["unpronounced"] == [{"character": "😀", "position": 13}]


def test_two_hundred_at_once_are_served_or_told_when_to_come_again(server: Server) -> None:
    def ask(number: int) -> tuple[int, str, int]:
        answer = server.speech(key=SHOP, input="One apple.", seed=number, timeout=300)
        return answer.status_code, answer.headers.get("retry-after", ""), len(answer.content)

    with ThreadPoolExecutor(200) as clients:
        answers = list(clients.map(ask, range(200)))
    statuses = Counter(status for status, _, _ in answers)
    assert set(statuses) == {200, 429}
    assert statuses[200] >= QUEUE
    assert all(int(after) >= 1 for status, after, _ in answers if status == 429)
    assert all(size > 10_000 for status, _, size in answers if status == 200)
    assert server.metric("voicemill_queue") == 0


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_is_gone_is_not_spoken_for(server: Server, streamed: bool) -> None:
    failures = server.metric("voicemill_failures_total")
    body = json.dumps(
        {"model": "voicemill", "voice": "bob", "input": LONG * 20, "response_format": "wav", "stream": streamed}
    ).encode()
    host, _, port = server.origin.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST /v1/audio/speech HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {SHOP}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    server.until(lambda: server.metric("voicemill_queue") == 1)
    if streamed:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    connection.close()
    server.until(lambda: server.metric("voicemill_queue") == 0)
    assert server.metric("voicemill_failures_total") == failures + 1


def test_a_slow_client_holds_nobody_up_and_gets_all_of_it(server: Server) -> None:
    whole = server.speech(key=SHOP, input=LONG, stream=True).content
    slow = server.speech(key=SHOP, input=LONG, stream=True, read_later=True)
    began = time.monotonic()
    quick = server.speech(key=GUEST, input="One apple.")
    assert quick.status_code == 200
    assert time.monotonic() - began < 60
    parts = []
    for part in slow.iter_content(20_000):
        parts.append(part)
        time.sleep(0.01)
    assert len(b"".join(parts)) == len(whole)


def test_an_alias_that_moves_under_load_loses_no_request(server: Server, registry: Path) -> None:
    store = open_registry(str(registry / "registry"))
    versions = {record.version: record for record in records.every(store, "ada")}
    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask(number: int) -> None:
        while not stop.is_set():
            answer = server.speech(key=SHOP, voice="ada@prod", input="One apple.", seed=number, stream=number == 1)
            answers.append((answer.status_code, answer.headers.get("x-voicemill-voice", "")))

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for each in clients:
        each.start()
    server.until(lambda: answers)
    before = answers[0][1].rpartition("@")[2]
    (after,) = set(versions) - {before}
    promote(store, versions[after], "prod", by="test")
    server.until(lambda: answers[-1][1] == f"ada@{after}")
    stop.set()
    for each in clients:
        each.join()
    assert Counter(status for status, _ in answers) == {200: len(answers)}
    assert {voice for _, voice in answers} == {f"ada@{before}", f"ada@{after}"}
    about = requests.get(f"{server.origin}/metrics", timeout=30).text
    assert f'voicemill_voice_info{{version="{after}",voice="ada@prod"}} 1.0' in about
    assert before not in about


def test_a_revoked_voice_stops_in_the_middle_of_a_word(server: Server, registry: Path) -> None:
    said = server.speech(key=SHOP, voice="carol", input=LONG * 20, stream=True, read_later=True)
    assert said.status_code == 200
    revoke(open_registry(str(registry / "registry")), "carol", why="asked for it", by="test")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        for _ in said.iter_content(10_000):
            pass
    answer = server.speech(key=SHOP, voice="carol")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "voice_revoked")
    server.until(lambda: server.metric("voicemill_queue") == 0)


def test_on_sigterm_what_was_begun_is_finished(server: Server) -> None:
    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(server.speech, key=SHOP, input=LONG, stream=streamed) for streamed in (True, False)]
        server.until(lambda: server.metric("voicemill_queue") == 2)
        server.process.send_signal(signal.SIGTERM)
        answers = [each.result() for each in asked]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({decoded(answer.content)[0] for answer in answers}) == 1
    assert server.process.wait(60) == 0
    with pytest.raises(requests.ConnectionError):
        server.speech(key=SHOP)
    assert not [line for line in server.said if "leak" in line.lower()]
