"""The web application: paths of OpenAI's API and of GPT-SoVITS's, health, metrics, and the page."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from voicemill import __version__
from voicemill.serving.errors import Refused, answer_errors
from voicemill.serving.guard import Guard
from voicemill.serving.keys import Key, find
from voicemill.serving.metrics import Metrics
from voicemill.serving.pronounced import Pronounced, PronounceRequest, pronounced
from voicemill.serving.requests import MODELS, SpeechRequest, TtsRequest
from voicemill.serving.speech import Speaker, Wanted
from voicemill.serving.voices import ServedVoice, Voices
from voicemill.synthesis.script import LARGEST_SEED

STATIC = Path(__file__).parent / "static"
LONGEST_INPUT = 4096
"""Characters of a request, as OpenAI's API has it."""


@dataclass
class Service:
    """What the server serves, to whom.

    Attributes:
        speaker: What answers requests for speech.
        keys: Who may come in; None asks nobody for a key.
        longest_input: Most characters of a request.
        is_draining: It was asked to end: it finishes what it has begun and wants nothing new.
        hear: Writes what a recogniser hears in a WAV file, given its language; None without a recogniser.
    """

    speaker: Speaker
    keys: Sequence[Key] | None = None
    longest_input: int = LONGEST_INPUT
    is_draining: bool = False
    hear: Callable[[bytes, str], str] | None = None

    @property
    def voices(self) -> Voices:
        return self.speaker.voices

    @property
    def metrics(self) -> Metrics:
        return self.speaker.metrics


def create(service: Service, *, hosts: tuple[str, ...] | None = None) -> FastAPI:
    """Return the application.

    Args:
        service: What it serves.
        hosts: Host names that requests may name; None takes any.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.voices.close()
        service.speaker.engine.stop()

    app = FastAPI(title="voicemill", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    app.add_middleware(Guard, hosts=hosts, refuses_sites=service.keys is None)
    app.include_router(routes)
    app.mount("/static", StaticFiles(directory=STATIC))
    answer_errors(app)
    engine, metrics = service.speaker.engine, service.metrics
    metrics.watch("queue", "Requests that are spoken or wait.", lambda: engine.load)
    # Nothing that serves voices of ONNX graphs imports torch.
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        metrics.watch("gpu_memory_bytes", "GPU memory that torch has allocated.", torch.cuda.memory_allocated)
    return app


def openapi() -> dict[str, Any]:
    """Return the API's description, as `/openapi.json` shows it; docs/reference/openapi.json is this."""
    app = FastAPI(title="voicemill", version=__version__)
    app.include_router(routes)
    return app.openapi()


def _service(request: Request) -> Service:
    return request.app.state.service


Here = Annotated[Service, Depends(_service)]


def _key(request: Request, here: Here) -> Key:
    found = find(here.keys, request.headers.get("authorization", ""))
    if found is None:
        headers = {"www-authenticate": "Bearer"}
        raise Refused(401, "send a key of this server as Authorization: Bearer KEY", "invalid_api_key", None, headers)
    return found


Caller = Annotated[Key, Depends(_key)]
routes = APIRouter()


@routes.get("/", include_in_schema=False)
def page() -> FileResponse:
    """Return the page."""
    return FileResponse(STATIC / "index.html")


@routes.get("/healthz", tags=["health"])
def alive(here: Here) -> JSONResponse:
    """Say whether the server works; it is to be restarted where it does not."""
    alive = here.speaker.engine.is_alive
    return JSONResponse({"status": "ok" if alive else "the engine has stopped"}, 200 if alive else 503)


@routes.get("/readyz", tags=["health"])
def ready(here: Here) -> JSONResponse:
    """Say whether requests are wanted: voices are loaded, and the server is not about to end."""
    if here.is_draining or not here.voices.loaded:
        return JSONResponse({"status": "ending" if here.is_draining else "no voice is served"}, 503)
    return JSONResponse({"status": "ok"})


@routes.get("/metrics", tags=["health"])
def metrics(here: Here) -> Response:
    """Return the counters in Prometheus's text format."""
    return Response(here.metrics.text(), media_type=here.metrics.content_type)


@routes.get("/v1/models", tags=["OpenAI"])
def models(_: Caller) -> dict[str, Any]:
    """List the names that `model` may have."""
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "voicemill"} for name in MODELS]
    return {"object": "list", "data": rows}


@routes.get("/v1/models/{model}", tags=["OpenAI"])
def model(model: str, _: Caller) -> dict[str, Any]:
    """Describe a model."""
    _known(model)
    return {"id": model, "object": "model", "created": 0, "owned_by": "voicemill"}


@routes.get("/v1/voices", tags=["voicemill"])
@routes.get("/v1/audio/voices", tags=["voicemill"])
def voices(here: Here, key: Caller) -> dict[str, Any]:
    """List the voices that the key may use."""
    rows = [_about(voice) for voice in here.voices.loaded.values() if key.may_use(voice.manifest.speaker)]
    return {"object": "list", "data": rows, "voices": rows}


def _about(voice: ServedVoice) -> dict[str, Any]:
    manifest = voice.manifest
    return {
        "id": voice.name,
        "object": "voice",
        "name": voice.name,
        "speaker": manifest.speaker,
        "version": voice.version,
        "model_version": manifest.version,
        "language": manifest.language,
        "sample_rate": manifest.sampling_rate,
        "speed": manifest.generation.speed,
        "use_prompt": manifest.generation.use_prompt,
        "reference": {"text": manifest.reference.text, "seconds": manifest.reference.seconds},
        "references": [{"name": name, "text": clip.text} for name, clip in manifest.references.items()],
    }


@routes.post(
    "/v1/audio/speech",
    tags=["OpenAI"],
    response_class=Response,
    responses={200: {"description": "The speech, in the format that was asked for.", "content": {"audio/*": {}}}},
)
async def speech(request: Request, body: SpeechRequest, here: Here, key: Caller) -> Response:
    """Say a text."""
    _known(body.model)
    return await _speak(request, here, key, body.wanted())


@routes.post("/v1/pronounce", tags=["voicemill"])
async def pronounce(body: PronounceRequest, here: Here, key: Caller) -> Pronounced:
    """Show how a text would be read: its phones, and the characters that are not heard."""
    _fits(here, body.input)
    return await pronounced(here.voices, body, key)


@routes.post("/v1/audio/transcriptions", tags=["OpenAI"], include_in_schema=False)
@routes.post("/v1/audio/translations", tags=["OpenAI"], include_in_schema=False)
def recognise() -> Response:
    """Refuse what this server does not do."""
    raise Refused(404, "this server speaks and does not transcribe", "not_served")


@routes.get("/v1/hear", tags=["voicemill"])
def hears(here: Here, _: Caller) -> dict[str, bool]:
    """Say whether there is a recogniser."""
    return {"hears": here.hear is not None}


@routes.post("/v1/hear", tags=["voicemill"])
async def hear(request: Request, here: Here, _: Caller, language: str = "auto") -> dict[str, str]:
    """Write what a recogniser hears in what was said: a WAV file as the body."""
    if here.hear is None:
        raise Refused(404, "this server has no recogniser; serve with --verify and Whisper in the models", "not_served")
    return {"heard": await asyncio.to_thread(here.hear, await request.body(), language)}


@routes.post("/tts", tags=["GPT-SoVITS"], response_class=Response)
async def tts(request: Request, body: TtsRequest, here: Here, key: Caller) -> Response:
    """Say a text, as GPT-SoVITS's `api_v2.py` takes it."""
    return await _tts(request, body, here, key)


@routes.get("/tts", tags=["GPT-SoVITS"], response_class=Response)
async def tts_by_query(request: Request, here: Here, key: Caller, query: Annotated[TtsRequest, Depends()]) -> Response:
    """Say a text, its parameters in the address."""
    return await _tts(request, query, here, key)


async def _tts(request: Request, body: TtsRequest, here: Here, key: Caller) -> Response:
    allowed = [voice.name for voice in here.voices.loaded.values() if key.may_use(voice.manifest.speaker)]
    if not allowed:
        raise Refused(403, "this key may use none of the voices that are served")
    wanted = body.wanted(allowed, secrets.randbelow(LARGEST_SEED))
    if wanted is None:
        raise Refused(400, f"text_lang: {body.text_lang} is not supported")
    return await _speak(request, here, key, wanted)


@routes.get("/control", tags=["GPT-SoVITS"])
@routes.get("/set_gpt_weights", tags=["GPT-SoVITS"])
@routes.get("/set_sovits_weights", tags=["GPT-SoVITS"])
@routes.get("/set_refer_audio", tags=["GPT-SoVITS"])
def refused(request: Request, _: Caller) -> Response:
    """Refuse what would change the server for everybody, or read its files for a client."""
    raise Refused(
        403,
        f"{request.url.path} is refused: it would change the voice of all clients, or end the server. Name a voice in "
        "each request (voice=...); an operator changes what is served by moving its alias in the registry",
    )


def _known(model: str) -> None:
    if model not in MODELS:
        raise Refused(404, f"the model {model!r} is not served; use {MODELS[0]}", "model_not_found", "model")


def _fits(here: Service, text: str) -> None:
    if len(text) > here.longest_input:
        raise Refused(
            400,
            f"the input has {len(text)} characters; this server takes {here.longest_input} at a time",
            "string_above_max_length",
            "input",
        )


async def _speak(request: Request, here: Service, key: Key, wanted: Wanted) -> Response:
    _fits(here, wanted.text)
    if here.is_draining:
        raise Refused(503, "the server is ending; try again", "ending", None, {"retry-after": "1"})
    return await here.speaker.answer(request, wanted, key)
