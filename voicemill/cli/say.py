"""`voicemill say`: a voice says a text, heard while it is spoken."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

from voicemill.core.errors import MissingModelError, UsageError

if TYPE_CHECKING:
    from voicemill.api import Speech, Voice

PLAYERS = {
    "ffplay": ["-loglevel", "error", "-nodisp", "-autoexit", "-f", "s16le", "-ar", "{rate}", "-ch_layout", "mono", "-"],
    "pw-play": ["--raw", "--format", "s16", "--rate", "{rate}", "--channels", "1", "-"],
    "paplay": ["--raw", "--format=s16le", "--rate={rate}", "--channels=1"],
    "aplay": ["-q", "-t", "raw", "-f", "S16_LE", "-r", "{rate}", "-c", "1", "-"],
    "play": ["-q", "-t", "raw", "-e", "signed", "-b", "16", "-r", "{rate}", "-c", "1", "-"],
}
"""Programs that play 16-bit samples from their standard input, and how they are told so; the first one found plays."""


def say(
    text: Annotated[str, typer.Argument(help="What to say; without it, or as `-`, what comes on standard input.")] = "",
    voice: Annotated[
        str,
        typer.Option(envvar="VOICEMILL_VOICE", help="Voice folder or s3:// address; with a registry SPEAKER[@ALIAS]."),
    ] = "",
    models: Annotated[
        str, typer.Option(envvar="VOICEMILL_MODELS", help="Models folder or its s3:// address.")
    ] = "models",
    registry: Annotated[
        str, typer.Option(envvar="VOICEMILL_REGISTRY", help="Folder or s3:// address of a registry.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="WAV file to write.")] = None,
    play: Annotated[bool, typer.Option("--play", help="Play it; the default without --out.")] = False,
    language: Annotated[str, typer.Option(help="auto, en, zh, ja, ko or yue; default: the voice's own.")] = "",
    speed: Annotated[float | None, typer.Option(help="0.25 to 4; 2 is twice as fast; default: the voice's.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed says it the same way.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto: the GPU where there is one.")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "int8"], typer.Option(help="auto is fp16 on a GPU and fp32 on a CPU.")
    ] = "auto",
    runtime: Annotated[
        Literal["auto", "torch", "onnx"],
        typer.Option(help="auto: ONNX Runtime for voices of ONNX graphs, torch for others; onnx: its token model too."),
    ] = "auto",
    verify: Annotated[bool, typer.Option("--verify", help="Let Whisper write what it hears.")] = False,
) -> None:
    """Say a text; it is heard as soon as its first words are spoken.

    Of several lines on standard input each is spoken as soon as it came. At the end it tells how long the first sound
    took and how long speaking took for a second of sound (the real-time factor), loading aside.
    """
    from voicemill.api import Voice

    if not voice:
        raise UsageError("name a voice: --voice anna/voice, or --voice anna@prod with --registry")
    if out is not None and out.suffix.lower() != ".wav":
        raise UsageError(f"{out} cannot be written: speech is saved as WAV; let the name end in .wav")
    player = _player() if play or out is None else []
    began = time.monotonic()
    with Voice.load(
        voice, models=models, registry=registry, device=device, precision=precision, runtime=runtime
    ) as speaker:
        typer.echo(f"{speaker!r} loaded in {time.monotonic() - began:.1f} s", err=True)
        texts = _lines(text)
        manner = (language, speed, seed)
        with _playing(player, speaker.sample_rate) as sink:
            spoken = [_say(speaker, line, manner, sink) for line in texts]
    if not spoken:
        raise UsageError("there is nothing to say: the text is empty")
    whole = _joined(spoken)
    if out is not None:
        typer.echo(str(whole.save(out)))
    for sign in whole.unpronounced:
        typer.echo(f"not pronounced: {sign.character} (at {sign.position})", err=True)
    if whole.cut_off:
        typer.echo(f"{whole.cut_off} pieces reached the length limit: their end may be missing", err=True)
    if verify:
        _verify(whole, models)


def _say(voice: Voice, text: str, manner: tuple[str, float | None, int], sink: IO[bytes] | None) -> Speech:
    from voicemill.gpt_sovits.synthesis import waveform

    language, speed, seed = manner
    began, first = time.monotonic(), None
    stream = voice.stream(text, language=language, speed=speed, seed=seed)
    for samples in stream:
        first = first or time.monotonic() - began
        if sink is not None:
            sink.write(waveform.pcm16(samples).tobytes())
            sink.flush()
    took = time.monotonic() - began
    speech = stream.speech
    assert speech is not None and first is not None
    factor = took / speech.seconds
    typer.echo(f"first sound after {first:.2f} s, {speech.seconds:.2f} s long, real-time factor {factor:.2f}", err=True)
    return speech


def _lines(text: str) -> Iterator[str]:
    """Return the texts to say, without the empty ones: the one given, or lines of standard input as they come."""
    if text not in ("", "-"):
        lines: Iterable[str] = [text]
    elif sys.stdin.isatty():
        raise UsageError('there is nothing to say: give a text, as in `voicemill say "Good morning."`')
    else:
        lines = sys.stdin
    return (line.strip() for line in lines if line.strip())


def _joined(spoken: list[Speech]) -> Speech:
    """Return lines that were spoken one after the other as one."""
    from dataclasses import replace

    import numpy as np

    text, signs = "", []
    for speech in spoken:
        signs += [replace(sign, position=sign.position + len(text)) for sign in speech.unpronounced]
        text += f"{speech.text}\n"
    samples = np.concatenate([speech.samples for speech in spoken])
    cut_off = sum(speech.cut_off for speech in spoken)
    return replace(spoken[0], samples=samples, text=text.rstrip("\n"), unpronounced=tuple(signs), cut_off=cut_off)


def _player() -> list[str]:
    for name, options in PLAYERS.items():
        if path := shutil.which(name):
            return [path, *options]
    raise UsageError(f"there is no player: install one of {', '.join(PLAYERS)}, or write a file with --out speech.wav")


@contextmanager
def _playing(player: list[str], rate: int) -> Iterator[IO[bytes] | None]:
    """A pipe to the player, which has played all when the block has ended; None without a player."""
    if not player:
        yield None
        return
    command = [part.format(rate=rate) for part in player]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        try:
            yield process.stdin
            process.stdin.close()
        except BrokenPipeError as error:
            raise UsageError(f"{command[0]} ended early; write a file with --out speech.wav") from error
    if process.returncode:
        raise UsageError(f"{command[0]} failed ({process.returncode}); write a file with --out speech.wav")


def _verify(speech: Speech, models: str) -> None:
    from voicemill.asr import recognizer
    from voicemill.models import resolve_local
    from voicemill.synthesis.verification.listening import Ear, spoken_language
    from voicemill.text import scoring

    try:
        ear = Ear(recognizer("whisper", resolve_local(models)))
    except MissingModelError as error:
        raise MissingModelError(f"--verify needs Whisper: {error}") from error
    language = spoken_language(speech.text, speech.language)
    heard = ear.hear(speech.samples, speech.sample_rate, language)
    rate = scoring.score(speech.text, heard, language).words.rate
    typer.echo(f"heard: {heard}\nerror rate: {rate:.2f}")
