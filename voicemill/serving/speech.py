"""A request for speech, from its text to the bytes of its answer."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from voicemill.core.errors import InputError, UsageError
from voicemill.serving.engine import Ended, Engine, Failed, Full, Job
from voicemill.serving.errors import Refused
from voicemill.serving.formats import MEDIA_TYPES, Format, Provenance, encoder, with_lengths
from voicemill.serving.keys import Key
from voicemill.serving.metrics import Metrics
from voicemill.serving.voices import Revoked, ServedVoice, Unknown, Voices
from voicemill.synthesis.options import options_of
from voicemill.voice.generation_config import Generation

Streamed = Literal["no", "audio", "sse"]
T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """What a client asks for.

    Attributes:
        voice: Its name.
        text: What to say.
        format: Of the answer.
        streamed: `no` answers when all is said, `audio` with bytes as they come, `sse` with events of them.
        language: Empty is the voice's own.
        seed: By which it is said the same way again.
        generation: Options of the generation config that the client sets.
        reference: Name of one of the voice's references; empty is the usual one.
    """

    voice: str
    text: str
    format: Format
    streamed: Streamed
    language: str
    seed: int
    generation: dict[str, Any]
    reference: str = ""


class ClientGone(Exception):
    """Nobody waits for the answer."""


@dataclass(frozen=True)
class Speaker:
    """What answers requests for speech."""

    engine: Engine
    voices: Voices
    metrics: Metrics

    async def answer(self, request: Request, wanted: Wanted, key: Key) -> Response:
        """Speak.

        Raises:
            Refused: With the status that the client is to see.
            Full: If too many requests wait.
            InputError: If nothing in the text can be said.
        """
        path, began = request.url.path, time.monotonic()
        name = "unknown"
        status = 500
        try:
            voice = await asyncio.to_thread(self.voices.find, wanted.voice)
            if not key.may_use(voice.manifest.speaker):
                raise Refused(403, f"this key may not use the voice {wanted.voice!r}", "voice_not_allowed", "voice")
            name = voice.name
            response = await self._answer(request, voice, wanted, began)
            status = response.status_code
            return response
        except ClientGone:
            status = 499
            self.metrics.failures.labels("client gone").inc()
            return Response(status_code=499)
        except Exception as error:
            status = _status_of(error)
            raise
        finally:
            self.metrics.requests.labels(path, name, str(status)).inc()

    async def _answer(self, request: Request, voice: ServedVoice, wanted: Wanted, began: float) -> Response:
        generation = _generation(voice.generation, wanted.generation)
        language = wanted.language or voice.manifest.language
        options = options_of(generation)
        prompt = voice.prompt(wanted.reference, generation.use_prompt)
        self.engine.reserve()
        try:
            reading = asyncio.wrap_future(
                self.voices.front_end.submit(
                    voice.synthesizer.script,
                    wanted.text,
                    language,
                    text_split=options.text_split,
                    speed=generation.speed,
                    seed=wanted.seed,
                )
            )
            script = await _unless_gone(request, reading)
        except BaseException:
            self.engine.release()
            raise
        self.metrics.characters.labels(voice.name).inc(len(wanted.text))
        is_chunked = wanted.streamed != "no"
        job = self.engine.submit(voice.speaker, script, prompt, options, is_chunked=is_chunked)
        said = _Said(self, job, voice, wanted)
        try:
            first = await _unless_gone(request, asyncio.ensure_future(said.next()))
            self.metrics.first_byte.labels(voice.name).observe(time.monotonic() - began)
            if isinstance(first, Failed):
                raise Refused(first.status, first.reason, "failed")
            headers = said.headers()
            if wanted.streamed == "no":
                content = await _unless_gone(request, asyncio.ensure_future(said.whole(first)))
                return Response(content, 200, headers, MEDIA_TYPES[wanted.format])
        except BaseException:
            self.engine.cancel(job)
            raise
        if wanted.streamed == "sse":
            return _Streaming(said.events(first), said, headers, "text/event-stream")
        return _Streaming(said.bytes(first), said, headers, MEDIA_TYPES[wanted.format])


class _Said:
    """The sound of a job, encoded as it comes."""

    def __init__(self, speaker: Speaker, job: Job, voice: ServedVoice, wanted: Wanted):
        self.speaker, self.job, self.voice, self.wanted = speaker, job, voice, wanted
        manifest = voice.manifest
        mark = voice.synthesizer.watermark
        provenance = Provenance(manifest.speaker, voice.version, wanted.text, wanted.seed, mark)
        self.encoder = encoder(wanted.format, manifest.sampling_rate, provenance)
        self.rate = manifest.sampling_rate

    def headers(self) -> dict[str, str]:
        """Return what the answer's headers say of it; a text that has no place in a file is in none of them."""
        silent = [sign.character for sign in self.job.stream.script.unpronounced]
        return {
            "x-voicemill-generated": "true",
            "x-voicemill-voice": f"{_ascii(self.voice.manifest.speaker)}@{self.voice.version}",
            "x-voicemill-seed": str(self.wanted.seed),
            "x-voicemill-unpronounced": json.dumps(silent),
            "cache-control": "no-store",
            # A proxy that waits for the whole answer would undo the streaming.
            "x-accel-buffering": "no",
        }

    async def next(self) -> np.ndarray | Ended | Failed:
        piece = await self.job.pieces.get()
        if isinstance(piece, np.ndarray):
            self.speaker.engine.took(self.job, len(piece))
            self.speaker.metrics.audio.labels(self.voice.name).inc(len(piece) / self.rate)
        elif isinstance(piece, Failed):
            self.speaker.metrics.failures.labels(piece.reason.partition(":")[0]).inc()
        return piece

    async def whole(self, first: np.ndarray | Ended) -> bytes:
        content = bytearray()
        async for part in self.bytes(first):
            content += part
        return with_lengths(bytes(content)) if self.wanted.format == "wav" else bytes(content)

    async def bytes(self, first: np.ndarray | Ended | Failed) -> AsyncIterator[bytes]:
        """Yield parts of a file; the client sees that one is missing, should speaking fail on the way."""
        piece = first
        while isinstance(piece, np.ndarray):
            if part := self.encoder.add(piece):
                yield part
            piece = await self.next()
        if isinstance(piece, Failed):
            raise Refused(piece.status, piece.reason, "failed")
        if part := self.encoder.end():
            yield part

    async def events(self, first: np.ndarray | Ended | Failed) -> AsyncIterator[bytes]:
        """Yield OpenAI's server-sent events."""
        try:
            async for part in self.bytes(first):
                yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
        except Refused as error:
            yield _event({"type": "error", "error": {"message": str(error.detail), "code": error.code}})
            return
        tokens = sum(fragment["tokens"] for fragment in (self.job.stream.report or {"fragments": []})["fragments"])
        phones = sum(len(part.fragment.phones) for part in self.job.stream.parts)
        usage = {"input_tokens": phones, "output_tokens": tokens, "total_tokens": phones + tokens}
        yield _event({"type": "speech.audio.done", "usage": usage})


class _Streaming(StreamingResponse):
    """An answer that is sent while it is made; whatever ends it, nothing is spoken for it any further."""

    def __init__(self, parts: AsyncIterator[bytes], said: _Said, headers: dict[str, str], media_type: str):
        super().__init__(parts, 200, headers, media_type)
        self._said = said

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Also where the client was gone before the first part was asked for.
            engine = self._said.speaker.engine
            if self._said.job.stream in engine.jobs:
                self._said.speaker.metrics.failures.labels("client gone").inc()
            engine.cancel(self._said.job)


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content)}\n\n".encode()


def _ascii(text: str) -> str:
    """Return a text as a header can have it."""
    return text.encode("ascii", "backslashreplace").decode()


def _generation(own: Generation, asked: dict[str, Any]) -> Generation:
    changed = replace(own, **{name: value for name, value in asked.items() if value is not None})
    return changed.checked("the request")


def _status_of(error: BaseException) -> int:
    if isinstance(error, Refused):
        return error.status_code
    kinds = ((Full, 429), (Revoked, 410), (Unknown, 404), (InputError | UsageError, 400))
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


async def _unless_gone(request: Request, awaited: asyncio.Future[T]) -> T:
    """Return what is awaited; what is not wanted any more is cancelled.

    Raises:
        ClientGone: If the client ends the connection before.
    """
    gone = asyncio.ensure_future(_gone(request))
    try:
        done, _ = await asyncio.wait({gone, awaited}, return_when=asyncio.FIRST_COMPLETED)
        if awaited in done:
            return awaited.result()
        raise ClientGone
    finally:
        for each in (gone, awaited):
            if not each.done():
                each.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
