"""Make the best checkpoints into a voice: an immutable folder that says what it is and where it comes from.

Reads   sovits/, gpt/     weights of every saved epoch
        evaluation/       which pair is best
        clips/, transcripts/   the reference clip and its text
        recordings/       consent, if ingest's folder is given
Writes  voice/            see voicemill.voice.manifest
"""

from typing import Annotated

from annotated_types import Ge, Le

from voicemill.contract import Destination, FolderLocation, InputDir, Ledger, OutputDir, stage
from voicemill.registry.names import SpeakerName


@stage(family="publish", cpu=1, memory="2Gi", results=("version",), kept=("voice",))
def publish(
    sovits: InputDir,
    gpt: InputDir,
    evaluation: InputDir,
    clips: InputDir,
    transcripts: InputDir,
    dataset: InputDir,
    voice: OutputDir,
    recordings: InputDir | None = None,
    ledgers: InputDir | None = None,
    *,
    models: FolderLocation,
    speaker: SpeakerName,
    registry: Destination = "",
    export: bool = False,
    signing_key: str = "",
    references: Annotated[int, Ge(0), Le(6)] = 4,
) -> Ledger:
    """Make the best checkpoints into a voice.

    Args:
        sovits: Weights that train-sovits saved.
        gpt: Weights that train-gpt saved.
        evaluation: What evaluate measured; names the best pair.
        clips: Clips of the speaker.
        transcripts: What is said in them.
        dataset: What was trained on; its digest goes into the lineage.
        recordings: Ingest's folder, for the consent on record.
        ledgers: Folder of the ledgers of the stages before; the GPU seconds that they took go into the lineage.
        models: Folder of pretrained models; the digests of the base weights go into the lineage.
        speaker: Name of the voice.
        registry: Folder or s3:// address to put the version in as well; none if empty.
        export: Also write GPT-SoVITS's own .pth and .ckpt into exports/.
        signing_key: PEM file of a private key to sign the voice with, such as a mounted secret; unsigned if empty.
        references: Most reference clips to propose beside the usual one, by pitch, loudness and pace of the clips, for
            lines that ask for one by name; 0 proposes none.
    """
    from pathlib import Path

    from voicemill import registry as voices
    from voicemill.models import resolve_local
    from voicemill.registry import signatures
    from voicemill.voice import assembling

    made = assembling.assemble(
        voice,
        assembling.Sources(
            sovits, gpt, evaluation, clips, transcripts, dataset, recordings, resolve_local(models), ledgers
        ),
        speaker=speaker,
        export=export,
        references=references,
    )
    ledger = Ledger()
    for part in made.voice.parts:
        ledger.keep(part.file, sha256=part.sha256)
    ledger.note(version=voices.version_of(voice).version, **made.metrics)
    if signing_key:
        signatures.sign(voice, Path(signing_key))
    if registry:
        voices.publish(voice, voices.open_registry(registry))
    return ledger


if __name__ == "__main__":
    publish.main()
