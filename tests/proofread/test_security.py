"""What an attacker tries, and what it gets. docs/how-to/proofreading.md lists these by name."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.proofread.factories import make_run
from tests.proofread.serving import Client, Server, serving
from voicemill.core.errors import InputError
from voicemill.proofread.access import COOKIE, Access, Reviewer, read_reviewers, token_digest
from voicemill.proofread.own_token import OwnToken

ANNA, BERTA = "anna's token of some length", "berta's token, also long"
PEOPLE = f"""
reviewers:
  - name: anna
    token: "{ANNA}"
    voices: [anna, "npc-*"]
  - name: berta
    token-sha256: {token_digest(BERTA)}
    voices: [berta]
  - name: carla@example.org
    voices: ["*"]
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for three people and three voices; its proxy, 127.0.0.9, is an address that nobody here has."""
    folder = tmp_path_factory.mktemp("served")
    for voice in ("anna", "berta", "npc-7"):
        make_run(str(folder / "runs" / voice), folder / voice, speaker=voice, recordings=1, each=2)
    (folder / "runs" / "secret.txt").write_text("secret")
    (folder / "people.yaml").write_text(PEOPLE)
    proxy = ("--proxy-header", "X-Auth-Request-Email", "--trusted-proxy", "127.0.0.9")
    with serving(str(folder / "runs"), folder, "--reviewers", str(folder / "people.yaml"), *proxy) as server:
        yield server


@pytest.fixture
def anna(shared: Server) -> Client:
    return Client(shared.origin, ANNA, "-/anna")


def test_without_a_token_nothing_is_told(shared: Server) -> None:
    stranger = Client(shared.origin, run="-/anna")
    for path in ("", "/clips", "/changes?after=0", "/export.list", "/log.jsonl", "/audio/x.wav", "/peaks/x.wav"):
        assert stranger.get(stranger.run + path).status_code == 401, path
    assert stranger.get(f"{shared.origin}/api/runs").status_code == 401
    assert stranger.edit("drop", "x").status_code == 401
    assert stranger.post(f"{stranger.run}/approve", json={"id": "0" * 16, "number": 0}).status_code == 401
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert stranger.get(shared.origin + path).status_code == 404


def test_what_prometheus_collects_names_nobody(shared: Server, anna: Client) -> None:
    anna.get(f"{shared.origin}/api/runs")
    answer = requests.get(f"{shared.origin}/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert any(line.startswith('voicemill_page_requests_total{method="GET",status="200"} ') for line in lines)
    assert all(line.startswith("voicemill_page_request") for line in lines) and "anna" not in answer.text


def test_a_wrong_token_is_refused_and_so_is_a_digest_in_its_place(shared: Server) -> None:
    for token in ("", "wrong", token_digest(BERTA)):
        with pytest.raises(requests.HTTPError, match="401"):
            Client(shared.origin, token or "?")


def test_a_reviewer_sees_only_the_voices_given_to_them(shared: Server, anna: Client) -> None:
    seen = {run["name"] for run in anna.get(f"{shared.origin}/api/runs").json()["runs"]}
    assert seen == {"anna", "npc-7"}
    hidden, absent = (f"{shared.origin}/api/runs/-/{name}" for name in ("berta", "nobody"))
    clip = anna.rows()[0]["clip"]
    for path in ("", "/clips", "/export.list", "/log.jsonl", f"/audio/{clip}", f"/peaks/{clip}"):
        answers = [anna.get(address + path) for address in (hidden, absent)]
        assert [answer.status_code for answer in answers] == [404, 404], path
    # Not even that there is such a voice.
    told = [anna.get(address).json()["message"] for address in (hidden, absent)]
    assert told[0].replace("berta", "X") == told[1].replace("nobody", "X")
    edited = anna.post(f"{hidden}/edits", json={"id": "0" * 16, "action": "drop", "clip": clip, "version": 0})
    assert edited.status_code == 404


def test_a_cookie_cannot_be_forged_stretched_or_taken_for_another(shared: Server, anna: Client) -> None:
    name, until, signature = anna.cookies[COOKIE].split(".")
    forged = [
        f"{name}.{int(until) + 9999}.{signature}",
        f"YmVydGE=.{until}.{signature}",
        f"{name}.{until}.{'0' * 64}",
        f"{name}.{until}.",
        f"{name}.1.{signature}",
        "..",
        "é.1.1",
        "Y2FybGFAZXhhbXBsZS5vcmc=." + until + "." + signature,
    ]
    for cookie in forged:
        headers = {"cookie": f"{COOKIE}={cookie}".encode()}
        assert requests.get(anna.run, headers=headers).status_code == 401, cookie
    flags = requests.post(
        f"{shared.origin}/api/session", json={"token": ANNA}, headers={"origin": shared.origin, "x-voicemill": "1"}
    ).headers["set-cookie"]
    assert "HttpOnly" in flags and "SameSite=strict" in flags


def test_a_proxys_header_from_another_address_is_not_believed(shared: Server) -> None:
    for name in ("X-Auth-Request-Email", "x-auth-request-email", "X_Auth_Request_Email"):
        spoofed = {name: "carla@example.org", "X-Forwarded-For": "127.0.0.9", "Forwarded": "for=127.0.0.9"}
        assert requests.get(f"{shared.origin}/api/runs", headers=spoofed).status_code == 401


def test_the_proxys_own_word_counts_for_known_people_only(tmp_path: Path) -> None:
    make_run(str(tmp_path / "runs" / "anna"), tmp_path, recordings=1, each=2)
    (tmp_path / "people.yaml").write_text(PEOPLE)
    proxy = ("--proxy-header", "X-Auth-Request-Email", "--trusted-proxy", "127.0.0.0/29")
    with serving(str(tmp_path / "runs"), tmp_path, "--reviewers", str(tmp_path / "people.yaml"), *proxy) as server:
        for name, status in (("carla@example.org", 200), ("mallory@example.org", 401), ("", 401)):
            answer = requests.get(f"{server.origin}/api/runs", headers={"X-Auth-Request-Email": name})
            assert answer.status_code == status, name


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"x-voicemill": None},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
    ],
)
def test_a_request_from_another_site_changes_nothing(anna: Client, headers: dict[str, str | None]) -> None:
    """Cross-site request forgery: the cookie goes with it, our mark cannot."""
    clip = anna.rows()[0]["clip"]
    body = json.dumps({"id": "0" * 16, "action": "drop", "clip": clip, "version": 0})
    sent = {"content-type": "application/json"} | headers
    assert anna.post(f"{anna.run}/edits", data=body, headers=sent).status_code == 403
    assert not anna.rows()[0]["dropped"]


def test_no_other_site_is_allowed_to_read_or_to_ask(anna: Client) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for answer in (anna.get(anna.run, headers=headers), anna.options(f"{anna.run}/edits", headers=headers)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert answer.status_code in (403, 405)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/api/runs/-/anna/audio/..%2f..%2f..%2fsecret.txt",
        "/api/runs/-/anna/audio/%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret.txt",
        "/api/runs/-/anna/audio/..%5c..%5csecret.txt",
        "/api/runs/-/anna/audio/%2fetc%2fpasswd",
        "/api/runs/-/anna/audio/secret.txt%00.wav",
        "/api/runs/-/anna/peaks/..%2f..%2f..%2fsecret.txt",
        "/api/runs/-/..%2fruns%2fanna/export.list",
        "/api/runs/-/./export.list",
        "/api/runs/../-/export.list",
        "/review/../../../etc/passwd",
    ],
)
def test_no_path_leads_out(shared: Server, anna: Client, path: str) -> None:
    """Path traversal, sent as it stands: requests and browsers would tidy it up."""
    address = urlsplit(shared.origin)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("GET", path, headers={"cookie": f"{COOKIE}={anna.cookies[COOKIE]}"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status in (400, 404), (answer.status, body[:200])
    assert b"secret" not in body.replace(b"secret.txt", b"") and b"root:" not in body


def test_a_clips_name_in_an_edit_is_looked_up_and_never_a_path(anna: Client) -> None:
    for clip in ("../../secret.txt", "/etc/passwd", "take000_0000000000_9999999999.wav"):
        assert anna.edit("text", clip, text="x").status_code == 422
        assert anna.edit("split", clip, at=32_000, texts=["a", "b"]).status_code == 422


def test_oversized_and_malformed_requests_are_turned_away(shared: Server, anna: Client) -> None:
    clip = anna.rows()[0]["clip"]
    headers = {"content-type": "application/json"}
    assert anna.edit("text", clip, text="x" * 2001).status_code == 422
    assert anna.edit("text", clip, text="x" * 100_000).status_code == 413
    chunks = (b'{"text": "' if n == 0 else b"x" * 1000 for n in range(100))
    assert anna.post(f"{anna.run}/edits", data=chunks, headers=headers).status_code == 413
    for body in (b"", b"[]", b"{", b"\xff", b'{"id": 1}', b"[" * 30_000):
        assert anna.post(f"{anna.run}/edits", data=body, headers=headers).status_code in (400, 422), body[:10]
    assert anna.edit("text", clip, text="x", admin=True).status_code == 422
    assert anna.edit("text", clip, version=-1, text="x").status_code == 422
    assert anna.edit("approve", clip).status_code == 422
    for query in ("size=100000", "size=0", "start=-1", "view=x", "query=" + "x" * 300):
        assert anna.get(f"{anna.run}/clips?{query}").status_code == 422, query
    assert anna.get(anna.run, headers={"x-long": "x" * 200_000}).status_code in (400, 431)
    assert anna.get(f"{shared.origin}/healthz").status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://[", "http://[::1", "http://a:99999999", "//", "http://127.0.0.1:x", "\u00e9"]
)
def test_an_origin_that_is_none_is_foreign(anna: Client, origin: str) -> None:
    headers = {"origin": origin.encode("latin-1"), "content-type": "application/json"}
    assert anna.post(f"{anna.run}/edits", data="{}", headers=headers).status_code == 403


@pytest.mark.parametrize("number", [2**53, 2**63, 10**30, 10**400])
def test_numbers_that_no_log_can_hold_are_invalid(anna: Client, number: int) -> None:
    clip = anna.rows()[0]["clip"]
    assert anna.edit("undo", clip, of=number).status_code == 422
    assert anna.edit("drop", clip, version=number).status_code == 422
    assert anna.edit("split", clip, at=number, texts=["a", "b"]).status_code == 422
    assert anna.edit("merge", clip, other=clip, other_version=number).status_code == 422
    assert anna.post(f"{anna.run}/approve", json={"id": "0" * 16, "number": number}).status_code == 422
    assert anna.get(f"{anna.run}/changes?after={number}").status_code == 422
    assert anna.get(f"{anna.run}/clips?start={number}").status_code == 422


def test_addresses_of_any_length_and_ranges_of_any_kind_have_an_answer(shared: Server, anna: Client) -> None:
    for name in ("c" * 300, "c" * 5000, "%ff%fe", "%0d%0aX:1", "a%00", "%f0%9f%98%80" * 80):
        for path in (f"/api/runs/-/{name}", f"/api/runs/{name}/{name}", f"/api/runs/-/anna/audio/{name}"):
            assert anna.get(shared.origin + path).status_code in (400, 404), path[:60]
    clip = anna.rows()[0]["clip"]
    for span in ("abc", "5-2", "--5", "9" * 5000 + "-", ",".join(f"{n}-{n}" for n in range(0, 6000, 2))):
        answer = anna.get(f"{anna.run}/audio/{clip}", headers={"range": f"bytes={span}"})
        assert answer.status_code in (200, 206, 400, 416, 431), span[:20]


def test_many_headers_and_large_ones_are_answered(shared: Server) -> None:
    few, many = {f"x{n}": "y" for n in range(50)}, {f"x{n}": "y" for n in range(200)}
    assert requests.get(f"{shared.origin}/healthz", headers=few).status_code == 200
    assert requests.get(f"{shared.origin}/healthz", headers=many).status_code == 431
    assert requests.get(f"{shared.origin}/healthz", headers={"x": "y" * 50_000}).status_code == 431


def test_answers_forbid_what_stored_text_would_need_to_run(shared: Server, anna: Client) -> None:
    for path in ("/", "/review/-/anna", "/static/review.js", "/api/runs"):
        headers = anna.get(shared.origin + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    for path in ("/", "/review/-/anna"):
        page = anna.get(shared.origin + path).text
        assert "<script>" not in page and " style=" not in page and " on" not in page.lower().split("<body>")[0]


def test_a_speakers_name_does_not_break_out_of_a_header(tmp_path: Path) -> None:
    name = 'a"\r\nSet-Cookie: x=1 ä'
    make_run(str(tmp_path / "run"), tmp_path, speaker="anna", recordings=1, each=2)
    path = tmp_path / "run/transcribe/transcripts/transcripts.list"
    path.write_text(path.read_text().replace("|anna|", '|a"; x=ä|'))
    with serving(str(tmp_path / "run"), tmp_path) as server:
        answer = Client(server.origin, server.token).get(f"{server.origin}/api/runs/-/run/export.list")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''a%22%3B%20x%3D%C3%A4.list"
    assert name not in answer.text


def test_on_a_laptop_another_sites_name_for_this_machine_is_not_answered(tmp_path: Path) -> None:
    """DNS rebinding: a name of the attacker's that leads to 127.0.0.1."""
    make_run(str(tmp_path / "run"), tmp_path, recordings=1, each=2)
    with serving(str(tmp_path / "run"), tmp_path) as server:
        for host, status in (("evil.example", 421), (f"localhost:{server.port}", 200), ("", 421)):
            assert requests.get(f"{server.origin}/healthz", headers={"host": host}).status_code == status
        token = tmp_path / "voicemill" / "proofread-token"
        assert token.stat().st_mode & 0o077 == 0 and token.stat().st_uid == os.getuid()


@pytest.mark.parametrize("content", ["", "\n", "short", " " * 40, "\0" * 43, "\u00e9" * 40, "x" * 500])
def test_a_token_that_was_not_written_whole_is_replaced_and_lets_nobody_in(tmp_path: Path, content: str) -> None:
    """A full disk leaves an empty file."""
    make_run(str(tmp_path / "run"), tmp_path, recordings=1, each=2)
    token = tmp_path / "voicemill" / "proofread-token"
    token.parent.mkdir()
    token.write_text(content)
    token.chmod(0o600)
    with serving(str(tmp_path / "run"), tmp_path) as server:
        with pytest.raises(requests.HTTPError, match="4[02][12]"):
            Client(server.origin).post(f"{server.origin}/api/session", json={"token": content}).raise_for_status()
        assert server.token == token.read_text() and len(server.token) == 43
        assert Client(server.origin, server.token, "-/run").rows()
        assert requests.get(f"{server.origin}/healthz", headers={"host": "evil.example"}).status_code == 421


def test_a_token_that_others_could_read_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    own = OwnToken.of_this_account()
    assert OwnToken.of_this_account() == own
    file = tmp_path / "voicemill" / "proofread-token"
    file.chmod(0o644)
    again = OwnToken.of_this_account()
    assert again.token != own.token and file.stat().st_mode & 0o077 == 0
    file.unlink()
    os.mkfifo(file, 0o600)
    assert len(OwnToken.of_this_account().token) == 43 and file.is_file()


def test_without_room_for_a_token_the_page_does_not_start(tmp_path: Path) -> None:
    make_run(str(tmp_path / "run"), tmp_path, recordings=1, each=2)
    command = [sys.executable, "-m", "voicemill", "proofread", str(tmp_path / "run"), "--no-browser", "--port", "0"]
    ended = subprocess.run(
        command,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0 and b"proofreading at" not in ended.stdout
    assert list((tmp_path / "voicemill").iterdir()) == []


def test_no_command_line_holds_the_token(tmp_path: Path) -> None:
    """Everybody on a machine can read what its programs were started with: neither ours nor the browser tells."""
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args; cp "${{1#file://}}" {tmp_path}/page.html\n')
    browser.chmod(0o755)
    code = (
        "from voicemill.proofread.own_token import OwnToken\n"
        "own = OwnToken.of_this_account()\n"
        "with own.open_browser(f'http://127.0.0.1:1/#token={own.token}'): print(own.token)\n"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "BROWSER": f"{browser} %s"}
    token = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip()
    assert token not in (tmp_path / "args").read_text()
    assert f"#token={token}" in (tmp_path / "page.html").read_text()
    assert [path.name for path in (tmp_path / "voicemill").iterdir()] == ["proofread-token"]


def test_reviewers_without_a_token_of_their_own_are_refused(tmp_path: Path) -> None:
    """`printf %s "$TOKEN" | sha256sum` where the variable is not set: everybody knows the digest, and signs with it."""
    people = tmp_path / "people.yaml"
    for entry in (
        f"token-sha256: {token_digest('')}",
        "token-sha256: " + hashlib.sha256(b"\n").hexdigest(),
        'token: ""',
        'token: "                    "',
        "token-sha256: ''",
    ):
        people.write_text(f"reviewers:\n  - name: anna\n    voices: ['*']\n    {entry}\n")
        with pytest.raises(InputError, match="anna"):
            read_reviewers(people)
    for content in (b"\xff", b"reviewers: 5", b"[" * 5000, b"reviewers: [a]", b""):
        people.write_bytes(content)
        with pytest.raises(InputError):
            read_reviewers(people)
    reviewer = Reviewer("anna", token_sha256=token_digest(""))
    assert Access({"anna": reviewer}).sign_in("") is None


def test_sound_comes_in_ranges(anna: Client) -> None:
    clip = anna.rows()[0]["clip"]
    whole = anna.get(f"{anna.run}/audio/{clip}")
    part = anna.get(f"{anna.run}/audio/{clip}", headers={"range": "bytes=100-199"})
    assert (whole.status_code, part.status_code) == (200, 206)
    assert part.content == whole.content[100:200]
    assert anna.get(f"{anna.run}/audio/{clip}", headers={"range": "bytes=99999999-"}).status_code == 416


def test_a_reviewer_whose_token_was_taken_away_is_out_at_once(tmp_path: Path) -> None:
    make_run(str(tmp_path / "anna"), tmp_path / "scratch", recordings=1, each=2)
    people = tmp_path / "people.yaml"
    people.write_text(PEOPLE)
    with serving(str(tmp_path), tmp_path, "--reviewers", str(people)) as server:
        cookie = Client(server.origin, ANNA).cookies[COOKIE]
    people.write_text(PEOPLE.replace(ANNA, "another token for anna"))
    with serving(str(tmp_path), tmp_path, "--reviewers", str(people)) as server:
        assert requests.get(f"{server.origin}/api/runs", cookies={COOKIE: cookie}).status_code == 401
