"""`voicemill models`: list, pull and verify pretrained models; make toy ones."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from voicemill.core.errors import InputError, MissingModelError, UsageError
from voicemill.core.extras import needs
from voicemill.models import catalogue, checking
from voicemill.models.layout import VERSIONS, Version

app = typer.Typer(
    help="Pretrained models: list, pull and verify; make the small base and toy models for trials.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Models folder, laid out as GPT-SoVITS's pretrained_models.")
]
What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[WHAT]...",
        help="Versions (v2, v2Pro, v2ProPlus, v3, v4), names of models, or all.",
        show_default=" ".join(catalogue.DEFAULT),
    ),
]


@app.command("list")
def list_models() -> None:
    """Show the catalogue: every model, its source and its licence."""
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "for", "source", "licence", "what it is")
    for model in catalogue.models():
        hub = model.files[0].hub
        source = hub[0] if hub else "github.com/TRvlvr"
        table.add_row(model.name, ", ".join(model.versions), source, model.licence, model.about)
    Console().print(table)


@app.command()
def pull(folder: Folder, what: What = None) -> None:
    """Download models; an interrupted pull goes on where it stopped, and every file is verified.

    HF_ENDPOINT and VOICEMILL_GITHUB name mirrors of the hub and of GitHub; HF_TOKEN opens gated repositories.
    """
    from voicemill.models import pulling

    pulled = pulling.pull(folder, catalogue.select(what or []), report=typer.echo)
    typer.echo(f"{folder}: {pulled} files downloaded; all requested models are complete")


@app.command()
def verify(folder: Folder, what: What = None) -> None:
    """Check that the files of models are there and whole; ends with 65 or 66 if not."""
    from rich.console import Console
    from rich.table import Table

    findings = checking.verify(folder, checking.in_place(folder, catalogue.select(what or [])))
    table = Table("model", "file", "state", "")
    colours = {"ok": "green", "unchecked": "yellow", "missing": "red", "corrupt": "red"}
    for finding in findings:
        state = f"[{colours[finding.state]}]{finding.state}[/]"
        table.add_row(finding.model.title, finding.file.path, state, finding.detail)
    Console(soft_wrap=True).print(table)
    corrupt = [finding.file.path for finding in findings if finding.state == "corrupt"]
    missing = dict.fromkeys(finding.model.title for finding in findings if finding.state == "missing")
    if corrupt:
        raise InputError(f"corrupt: {', '.join(corrupt)}; `voicemill models pull {folder}` replaces them")
    if missing:
        raise MissingModelError(f"incomplete: {', '.join(missing)}; get them with `voicemill models pull {folder}`")


@app.command()
def toy(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to create; it must be empty or new.")],
    seed: Annotated[int, typer.Option(help="Seed of the random weights.")] = 0,
    versions: Annotated[str, typer.Option(help="GPT-SoVITS versions to make: v2,v2Pro,v2ProPlus,v3,v4.")] = "v2",
    base: Annotated[Path | None, typer.Option(help="Take the voice models of a folder that pretrain made.")] = None,
) -> None:
    """Make tiny models in the real formats: everything runs in seconds, but voices babble."""
    with needs("all"):
        from voicemill.models.toy import make_all

    asked = [word.strip() for word in versions.split(",")]
    wanted: list[Version] = [version for version in VERSIONS if version in asked]
    if len(wanted) != len(asked):
        raise UsageError(f"--versions {versions}: give some of {', '.join(VERSIONS)}, separated by commas")
    with needs("all"):
        made = make_all(folder, seed, report=typer.echo, versions=wanted, base=base)
    voices = "babble" if base is None else f"speak as the base {base} does"
    typer.echo(f"{folder}: {'created' if made else 'already exists'}. Toy models, for trying out: voices {voices}.")


@app.command()
def small(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to create; it must be empty or new.")],
    packed: Annotated[
        Path | None, typer.Option(help="Packed base to unpack.", show_default="the newest, or the one in the package")
    ] = None,
) -> None:
    """Unpack the small base, and put toy separators and what else it takes to clone a voice around it.

    The newest small base is fetched from its release (VOICEMILL_GITHUB names a mirror) and checked by its SHA-256;
    where that fails, the one that comes with voicemill is taken.
    """
    import tempfile

    with needs("all"):
        from voicemill.models import packed as packed_base
        from voicemill.models import released
        from voicemill.models.toy import make_all

    with needs("all"), tempfile.TemporaryDirectory(prefix="voicemill-small-") as scratch:
        packed_base.unpack(packed or released.packed_base(report=typer.echo), scratch)
        made = make_all(folder, report=typer.echo, base=Path(scratch))
    typer.echo(f"{folder}: {'created' if made else 'already exists'}. A small base and toys around it, for trying out.")


@app.command()
def pack(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Models folder, such as pretrain makes.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the packed base.")],
) -> None:
    """Pack a base's models as int8, from which `voicemill models small` makes them again."""
    with needs("voice"):
        from voicemill.models import packed as packed_base

        written = packed_base.pack(base, folder)
    typer.echo(f"{folder}: {written / 1e6:.1f} MB")


@app.command("export-onnx")
def export_onnx(
    folder: Folder,
    weights: Annotated[
        Literal["fp32", "fp16", "int8"],
        typer.Option(help="fp16 halves the file and speaks the same; int8 is a quarter of it, and faster."),
    ] = "fp16",
) -> None:
    """Write Chinese BERT as an ONNX graph into a models folder, by which voices of ONNX graphs speak Mandarin.

    It lies in chinese-roberta-wwm-ext-large-onnx. Where voices speak without torch, that is all the folder needs.
    """
    with needs("voice"):
        from voicemill.synthesis.exporting import export_bert

    made = export_bert(folder, weights)
    size = sum(file.stat().st_size for file in made.iterdir())
    typer.echo(f"{made}: BERT as an ONNX graph in {weights}, {size / 1e6:.0f} MB")


@app.command()
def image(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the OCI image layout; it must not exist.")],
    tag: Annotated[str, typer.Option(help="Name of the image within the layout.")] = "models",
) -> None:
    """Make an OCI image of a models folder, which Kubernetes mounts as a volume (the chart's `models.from=image`).

    `skopeo copy --all oci:OUT:models docker://REGISTRY/models:TAG` pushes it.
    """
    from voicemill.models import oci_image

    digest = oci_image.write(folder, out, tag)
    typer.echo(f"{out}: image {tag}, {digest}")
