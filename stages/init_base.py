"""Make fresh small models to pretrain: a codebook of what the content encoder gives, and random weights.

Reads   encoder/hubert/, clips/*.wav     from train-content-encoder and make-corpus
Writes  destination                      a models folder: content encoder, generator, discriminator, token model
        With --start the models that are there, as they are; with --sovits-start their SoVITS, but for the codebook
Drops   clips that cannot be read
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from voicemill.contract import Destination, FolderLocation, InputDir, Ledger, Seed, stage
from voicemill.core.errors import UsageError

NAMES = ("hubert", "sovits-g", "sovits-d", "gpt")


def _check(*, start: str, sovits_start: str, widen_vocoder: bool) -> None:
    if start and sovits_start:
        raise UsageError("--start takes the other base's SoVITS already; leave --sovits-start out")
    if widen_vocoder and not (start or sovits_start):
        raise UsageError("--widen-vocoder is for a base that is there; name it as --start or --sovits-start")


@stage(family="voice", cpu=2, memory="8Gi", gpu_memory="4Gi", results=("codes", "perplexity"), check=_check)
def init_base(
    encoder: InputDir,
    clips: InputDir,
    *,
    destination: Destination,
    start: FolderLocation = "",
    sovits_start: FolderLocation = "",
    widen_vocoder: bool = False,
    codes: Annotated[int, Ge(1), Le(1024)] = 256,
    codebook_clips: Annotated[int, Ge(1)] = 500,
    seed: Seed = 1234,
) -> Ledger:
    """Make fresh small models to pretrain: a codebook of what the content encoder gives, and random weights.

    Args:
        encoder: Folder of the content encoder, from train-content-encoder.
        clips: Folder of clips, from make-corpus.
        destination: Folder or s3:// address for the models.
        start: Models folder to resume from: its codebook and weights take the place of fresh ones.
        sovits_start: Models folder whose SoVITS and discriminator take the place of random ones, but for the codebook:
            they know voices, and learn anew what the codes mean.
        widen_vocoder: Give the vocoder of start or sovits-start, which has one kernel width, those of a fresh one, so
            that it sounds the same and can learn more.
        codes: How many semantic tokens there are.
        codebook_clips: How many clips to cluster.
        seed: Seed of the clustering and of the weights.
    """
    import shutil
    import tempfile

    if start:
        return _take(start, destination, seed if widen_vocoder else None)

    import numpy as np

    from voicemill.gpt_sovits.features import hubert
    from voicemill.gpt_sovits.training.run_state import choose_device
    from voicemill.models import placing
    from voicemill.models.layout import place
    from voicemill.pretraining import base

    ledger = Ledger()
    rng = np.random.default_rng(seed)
    paths = sorted(clips.glob("*.wav"))
    chosen = sorted(rng.permutation(len(paths))[:codebook_clips].tolist())
    model = hubert.load(encoder / "hubert", choose_device())
    found = []
    for index in ledger.each(chosen, name=lambda index: paths[index].name, label="encoding"):
        with ledger.item(paths[index].name):
            found.append(base.token_features(model, paths[index]))
            ledger.keep(paths[index].name, tokens=len(found[-1]))
    ledger.require(1, "clips")
    codes_KC, perplexity = base.cluster(found, codes, seed)
    with tempfile.TemporaryDirectory(prefix="voicemill-base-") as scratch:
        folder = Path(scratch)
        shutil.copytree(encoder / "hubert", folder / place("hubert"))
        base.make_models(folder, codes_KC, seed)
        if sovits_start:
            with _copy(sovits_start, ("sovits-g", "sovits-d"), seed if widen_vocoder else None) as other:
                base.take_sovits(folder, other)
        placing.put(folder, destination)
    ledger.note(codes=codes, perplexity=round(perplexity, 1))
    return ledger


def _take(start: str, destination: str, widen_seed: int | None) -> Ledger:
    """The models of another base."""
    from voicemill.models import placing

    ledger = Ledger()
    with _copy(start, NAMES, widen_seed) as folder:
        placing.put(folder, destination)
    for name in NAMES:
        ledger.keep(name)
    ledger.note(codes=None, perplexity=None)
    return ledger


@contextmanager
def _copy(models: str, names: Sequence[str], widen_seed: int | None) -> Iterator[Path]:
    """A folder with some models of another, whose vocoder is widened if there is a seed for that."""
    import shutil
    import tempfile

    from voicemill.models import locate, placing, resolve_local
    from voicemill.models.layout import place
    from voicemill.pretraining import base

    with tempfile.TemporaryDirectory(prefix="voicemill-base-") as scratch:
        folder = Path(scratch)
        for name in names:
            found = locate(resolve_local(models), name, placing.VERSION)
            path = folder / place(name, placing.VERSION)
            path.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if found.is_dir() else shutil.copyfile)(found, path)
        if widen_seed is not None:
            base.widen_vocoder(folder, widen_seed)
        yield folder


if __name__ == "__main__":
    init_base.main()
