"""`voicemill serve`: voices over HTTP, for programs and for a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from voicemill.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from voicemill.serving.app import Service
    from voicemill.synthesis.speaking import Runtime

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    voices: Annotated[
        list[str],
        typer.Argument(help="Voices to serve: folders, s3:// addresses or, with a registry, SPEAKER[@ALIAS]."),
    ],
    models: Annotated[
        str, typer.Option(envvar="VOICEMILL_MODELS", help="Models folder or its s3:// address.")
    ] = "models",
    registry: Annotated[
        str, typer.Option(envvar="VOICEMILL_REGISTRY", help="Folder or s3:// address of a registry.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes any that is free.")] = 8322,
    keys: Annotated[
        Path | None, typer.Option(help="YAML file of keys and the voices given to them; without, nobody needs one.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody who can reach it speak, without a key.")
    ] = False,
    queue: Annotated[int, typer.Option(help="Requests that are spoken or wait at a time; more get status 429.")] = 64,
    rows: Annotated[int, typer.Option(help="Sentences that a voice speaks at once.")] = 16,
    longest_input: Annotated[int, typer.Option(help="Most characters of a request.")] = 4096,
    watch: Annotated[float, typer.Option(help="Seconds between looks at the registry for moved aliases.")] = 5.0,
    drain: Annotated[int, typer.Option(help="Seconds that requests have to be finished in on SIGTERM.")] = 60,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto: the GPU where there is one.")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "int8"], typer.Option(help="auto is fp16 on a GPU and fp32 on a CPU.")
    ] = "auto",
    runtime: Annotated[
        Literal["auto", "torch", "onnx"],
        typer.Option(help="auto: ONNX Runtime for voices of ONNX graphs, torch for others; onnx: its token model too."),
    ] = "auto",
    verify: Annotated[
        bool, typer.Option("--verify", help="Let the page show what Whisper hears in what was said.")
    ] = False,
) -> None:
    """Serve voices by OpenAI's speech API, by a subset of GPT-SoVITS's, and on a page.

    A voice named by an alias is served in the version that the alias points at: when it moves, requests that have
    begun are finished by the old version and later ones get the new one. A revoked voice stops at once.
    """
    if host not in _LOOPBACK and keys is None and not public:
        raise UsageError(f"on {host} others can reach the voices: list keys in a file (--keys), or say --public")

    from voicemill.serving import connections
    from voicemill.serving.app import create
    from voicemill.serving.listening import listen

    listening = listen(host, port)
    service = _service(
        voices,
        models,
        registry,
        keys,
        (device, precision, runtime),
        limits=(queue, rows, longest_input),
        verify=verify,
    )
    service.voices.watch(watch)
    app = create(service, hosts=_LOOPBACK if host in _LOOPBACK else None)
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"serving {', '.join(service.voices.loaded)} at http://{shown}:{listening.getsockname()[1]}/")
    config = connections.configuration(app, drain_seconds=drain)
    _server(config, service).run(sockets=[listening])


def _server(config: Any, service: Service) -> Any:
    import uvicorn

    class Draining(uvicorn.Server):
        """Finishes what was begun after the first signal and ends with 0; /readyz says so from then on.

        A second signal ends it at once.
        """

        def handle_exit(self, sig: int, frame: Any) -> None:
            service.is_draining = True
            self.force_exit, self.should_exit = self.should_exit, True

    return Draining(config)


def _service(
    voices: list[str],
    models: str,
    registry: str,
    keys: Path | None,
    computing: tuple[str, str, Runtime],
    *,
    limits: tuple[int, int, int],
    verify: bool,
) -> Service:
    from voicemill.models import resolve_local
    from voicemill.serving.app import Service
    from voicemill.serving.engine import Engine
    from voicemill.serving.keys import read_keys
    from voicemill.serving.metrics import Metrics
    from voicemill.serving.speech import Speaker
    from voicemill.serving.voices import Voices

    queue, rows, longest = limits
    if min(limits) < 1:
        raise UsageError("--queue, --rows and --longest-input must be at least 1")
    allowed = None if keys is None else read_keys(keys)
    metrics, engine, (device, precision, runtime) = Metrics(), Engine(queue), computing
    chosen = None if device == "auto" else device
    served = Voices(voices, registry, models, engine, metrics, chosen, precision, rows, runtime)
    served.load()
    hear = _recogniser(resolve_local(models)) if verify else None
    return Service(Speaker(engine, served, metrics), allowed, longest, hear=hear)


def _recogniser(models: Path) -> Callable[[bytes, str], str]:
    """Return what writes what Whisper hears in a WAV file."""
    import io
    from threading import Lock

    import soundfile

    from voicemill.asr import recognizer
    from voicemill.synthesis.verification.listening import Ear

    ear, alone = Ear(recognizer("whisper", models)), Lock()

    def hear(wav: bytes, language: str) -> str:
        samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
        with alone:
            return ear.hear(samples, rate, language)

    return hear
