"""`voicemill voices`: bring voices in and out, look into files, keep them in a registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voicemill.cli import voices_manage, voices_revoke, voices_show
from voicemill.cli.voices_options import Registry, local_voice, must_be_free, speaker_given
from voicemill.core.display import json_printable
from voicemill.core.errors import UsageError

if TYPE_CHECKING:
    from voicemill.gpt_sovits.onnx.quantization import Weights
    from voicemill.voice.manifest import Voice

app = typer.Typer(help="Voices: files in and out, and the registry. No file is ever executed.", no_args_is_help=True)
for part in (voices_show, voices_manage, voices_revoke):
    app.add_typer(part.app)

Out = Annotated[Path, typer.Option("--out", help="Folder to create.")]


@app.command("import")
def import_(
    sovits: Annotated[
        Path, typer.Argument(metavar="SOVITS", help="A .pth of GPT-SoVITS: v1 to v4, of v3 and v4 a LoRA too.")
    ],
    gpt: Annotated[Path, typer.Argument(metavar="GPT", help="The .ckpt that belongs to it.")],
    out: Out,
    speaker: Annotated[str, typer.Option(help="Name of the voice.")],
    reference: Annotated[Path, typer.Option(help="A recording of the speaker, 3 to 10 seconds.")],
    language: Annotated[str, typer.Option(help="Language of the recording: zh, en, ja, ko or yue.")],
    text: Annotated[str, typer.Option(help="Its transcript; empty uses the timbre only.")] = "",
    references: Annotated[
        Path | None,
        typer.Option(help="Folder of more recordings, named by how they are spoken: happy.wav with happy.txt, ..."),
    ] = None,
    consent: Annotated[str, typer.Option(help="The speaker's consent, to be kept with the voice.")] = "",
    models: Annotated[
        str,
        typer.Option(
            envvar="VOICEMILL_MODELS",
            help="Models folder or its s3:// address: its models read the recordings once, and not whenever the voice "
            "is loaded.",
        ),
    ] = "",
) -> None:
    """Make a voice folder of GPT-SoVITS's files, which `synthesize` speaks with."""
    from voicemill.core.files import atomic
    from voicemill.dataset.labels import LANGUAGES, language_code
    from voicemill.voice.importing import Source, import_voice

    code = language_code(language)
    if not code:
        raise UsageError(f"--language {language}: name one of {', '.join(LANGUAGES)}")
    speaker = speaker_given(speaker)
    must_be_free(out)
    with atomic(out, is_folder=True) as folder:
        voice = import_voice(Source(sovits, gpt, reference, text, code, speaker, consent, references), folder)
        if models:
            _read_references(folder, models)
    named = f", with the references {', '.join(voice.references)}" if voice.references else ""
    typer.echo(f"{out}: a {voice.version} voice of {speaker}{named}")


def _read_references(folder: Path, models: str) -> None:
    from voicemill.core.extras import needs
    from voicemill.models import resolve_local
    from voicemill.voice import pronunciation

    with needs("voice"):
        from voicemill.synthesis.load import Pretrained
        from voicemill.synthesis.reference_features import add_to_voice
    place = resolve_local(models)
    add_to_voice(folder, Pretrained(place), pronunciation.load(place, trained=folder).reading)


@app.command("export")
def export_(
    voice: Annotated[str, typer.Argument(metavar="VOICE", help="A voice folder, or a registered voice.")],
    out: Out,
    registry: Registry = "",
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write a voice of ONNX graphs instead, which speaks without torch.")
    ] = False,
    onnx_weights: Annotated[
        Literal["fp32", "fp16", "int8", "int4"],
        typer.Option(
            help="Weights of the graphs: fp16 halves the files; int8 and int4 are the token model's, all else is fp16."
        ),
    ] = "fp32",
    models: Annotated[
        str,
        typer.Option(
            envvar="VOICEMILL_MODELS",
            help="Models folder or its s3:// address, for ONNX graphs of a voice that does not carry what HuBERT finds "
            "in its reference clips.",
        ),
    ] = "",
) -> None:
    """Write the .pth and .ckpt that GPT-SoVITS loads and the reference with its text, or a voice of ONNX graphs."""
    from voicemill.core.files import atomic
    from voicemill.voice.exporting import export_voice

    must_be_free(out)
    with local_voice(voice, registry) as source, atomic(out, is_folder=True) as folder:
        exported = _export_graphs(source, folder, onnx_weights, models) if onnx else export_voice(source, folder)
    what = "ONNX graphs" if onnx else "files for GPT-SoVITS"
    typer.echo(f"{out}: {what} of {exported.speaker}, a {exported.version} voice")


def _export_graphs(source: Path, folder: Path, weights: "Weights", models: str) -> "Voice":
    from voicemill.core.extras import needs
    from voicemill.models import resolve_local

    with needs("voice"):
        from voicemill.synthesis.exporting import export_graphs
        from voicemill.synthesis.load import Pretrained
    return export_graphs(source, folder, weights, Pretrained(resolve_local(models)) if models else None)


@app.command("inspect")
def inspect_(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A .pth, .ckpt, .safetensors or a voice folder.")],
    keys: Annotated[bool, typer.Option("--keys", help="List every tensor.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what a file holds: kind, version, configuration, sizes. Files that are refused end with 65."""
    import json

    from voicemill.voice.inspecting import as_text, inspect

    about = inspect(path, keys=keys)
    text = json_printable(json.dumps(about, ensure_ascii=False, indent=2)) if as_json else as_text(about)
    typer.echo(text)
