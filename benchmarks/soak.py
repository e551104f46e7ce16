"""What `voicemill serve` gives to several clients at once, and whether it stays as it is under clients of every kind.

    python -m benchmarks.soak VOICE --models DIR [--clients 1 4 16] [--seconds 360]

Starts the server as a process of its own, on the CPU, and asks by HTTP. First each number of clients streams a sentence
twice; then four clients mix whole and streamed answers, mistakes, texts of 10,000 characters, and connections that are
given up, with bursts beyond the queue, while the process's memory, open files and threads are noted. Prints Markdown.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import requests

SENTENCE = (
    "The old man walked along the river every morning before the town was awake and the birds began to sing loudly."
)
"""Twenty-one words without a mark at which it would be cut."""
TURNS = 2
WORKERS = 4
QUEUE = 16
ROWS = 12
PCM_BYTES_PER_SECOND = 2 * 24_000
LONG = "She put the cake on the table and went away. " * 222


class Server:
    """A server that runs.

    Args:
        process: Its process.
        origin: Its address.
    """

    def __init__(self, process: subprocess.Popen[str], origin: str) -> None:
        self.process, self.origin = process, origin
        self.voice = requests.get(f"{origin}/v1/voices", timeout=30).json()["data"][0]["id"]

    def ask(self, text: str, **fields: Any) -> requests.Response:
        """Begin a request for speech; the answer's body is still to be read."""
        body = {"model": "voicemill", "voice": self.voice, "input": text, "response_format": "pcm", **fields}
        return requests.post(f"{self.origin}/v1/audio/speech", json=body, timeout=600, stream=True)

    def memory_mib(self) -> float:
        """Resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def queue(self) -> float:
        """Requests that are spoken or wait."""
        text = requests.get(f"{self.origin}/metrics", timeout=60).text
        return float(re.search(r"^voicemill_queue (\S+)", text, re.M)[1])  # type: ignore[index]


@contextmanager
def serving(voice: Path, models: Path) -> Iterator[Server]:
    """Run a server as long as the block."""
    command = [sys.executable, "-m", "voicemill", "serve", str(voice), "--models", str(models), "--port", "0"]
    command += ["--device", "cpu", "--queue", str(QUEUE), "--longest-input", "10000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        found = re.search(r"http://\S+:(\d+)/", process.stdout.readline())
        if not found:
            raise SystemExit("the server did not start")
        origin = f"http://127.0.0.1:{found[1]}"
        while True:
            try:
                requests.get(f"{origin}/readyz", timeout=30).raise_for_status()
                break
            except requests.RequestException:
                if process.poll() is not None:
                    raise SystemExit("the server ended") from None
                time.sleep(0.1)
        yield Server(process, origin)
    finally:
        process.terminate()
        process.wait(120)


def throughput(server: Server, clients: int) -> str:
    """Return a row: what so many clients at once are given."""

    def client(number: int) -> list[tuple[float, float, float]]:
        answers = []
        for turn in range(TURNS):
            began = time.perf_counter()
            answer = server.ask(SENTENCE, seed=number * TURNS + turn)
            answer.raise_for_status()
            parts, first = 0, 0.0
            for part in answer.iter_content(8192):
                first = first or time.perf_counter() - began
                parts += len(part)
            answers.append((first, time.perf_counter() - began, parts / PCM_BYTES_PER_SECOND))
        return answers

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = [answer for answered in pool.map(client, range(clients)) for answer in answered]
    took = time.perf_counter() - began
    first, whole = (median(answer[column] for answer in answers) for column in (0, 1))
    made = sum(answer[2] for answer in answers)
    return f"| {clients} | {made / took:.2f} | {first:.2f} | {whole:.2f} | {server.memory_mib():.0f} |"


class Clients:
    """Clients of every kind, and what they were answered.

    Args:
        server: Whom they ask.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answered: Counter[str] = Counter()
        self.kinds: list[tuple[int, Callable[[], None]]] = [
            (6, lambda: self.read("whole, mp3", response_format="mp3")),
            (6, lambda: self.read("streamed", text=SENTENCE)),
            (4, lambda: self.read("unknown voice", voice="nobody")),
            (4, lambda: self.read("nothing to speak", text="...")),
            (3, lambda: self.read("given up", text=SENTENCE, gives_up=True)),
            (2, lambda: self.read("10,000 characters, given up", text=LONG, gives_up=True)),
            (1, self.burst),
        ]

    def read(self, name: str, text: str = "One apple.", *, gives_up: bool = False, **fields: Any) -> None:
        """Ask, and read all of the answer or its beginning."""
        try:
            with self.server.ask(text, **fields) as answer:
                parts = answer.iter_content(1000)
                size = len(next(parts, b"")) if gives_up else sum(len(part) for part in parts)
        except requests.RequestException as error:
            self.answered[f"{name}: {type(error).__name__}"] += 1
            return
        silent = answer.status_code == 200 and size < 1000 and not gives_up
        self.answered[f"{name}: {'200 without sound' if silent else answer.status_code}"] += 1

    def burst(self) -> None:
        """Ask for more at once than the queue holds."""
        with ThreadPoolExecutor(2 * QUEUE) as pool:
            list(pool.map(lambda seed: self.read("burst", seed=seed), range(2 * QUEUE)))

    def work(self, seed: int, end: float) -> None:
        """Be one client after the other until a time."""
        draw = random.Random(seed)
        while time.monotonic() < end:
            (kind,) = draw.choices([kind for _, kind in self.kinds], [weight for weight, _ in self.kinds])
            kind()


def soak(server: Server, seconds: float) -> Iterator[str]:
    """Yield rows of what the process takes while clients of every kind come and go, and what they were answered."""
    clients, began = Clients(server), time.monotonic()

    def row(when: str) -> str:
        requests_so_far = sum(clients.answered.values())
        return f"| {when} | {requests_so_far} | {server.memory_mib():.0f} | {server.files()} | {server.threads()} |"

    workers = [threading.Thread(target=clients.work, args=(seed, began + seconds)) for seed in range(WORKERS)]
    for each in workers:
        each.start()
    for number in range(ROWS):
        time.sleep(max(0.0, began + (number + 1) * seconds / ROWS - time.monotonic()))
        yield row(f"{time.monotonic() - began:.0f}")
    for each in workers:
        each.join()
    while server.queue():
        time.sleep(0.2)
    yield row("after the last")
    yield ""
    yield "Answers: " + "; ".join(f"{name} {count} times" for name, count in sorted(clients.answered.items())) + "."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--clients", type=int, nargs="*", default=(1, 4, 16))
    parser.add_argument("--seconds", type=float, default=360.0, help="how long the soak is; 0 leaves it out")
    options = parser.parse_args()
    with serving(options.voice, options.models) as server:
        print(f"memory before the first request: {server.memory_mib():.0f} MiB\n")
        print("| clients | speech a second, s | first sound, s | whole answer, s | memory, MiB |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for clients in options.clients:
            print(throughput(server, clients), flush=True)
        if options.seconds:
            print("\n| second | requests | memory, MiB | open files | threads |")
            print("| ---: | ---: | ---: | ---: | ---: |")
            for row in soak(server, options.seconds):
                print(row, flush=True)


if __name__ == "__main__":
    main()
