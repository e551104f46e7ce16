"""Make fresh small models to pretrain: a codebook of what the content encoder gives, and random weights.

Reads   encoder/hubert/, clips/*.wav     from train-content-encoder and make-corpus
Writes  destination                      a models folder: content encoder, generator, discriminator, token model
        With --start the models that are there, as they are; with --sovits-start their SoVITS, but for the codebook
Drops   clips that cannot be read
"""

from typing import Annotated

from annotated_types import Ge, Le

from voicemill.contract import Destination, InputDir, Ledger, Location, stage
from voicemill.errors import UsageError


@stage(family="voice", cpu=2, memory="8Gi", gpu_memory="4Gi", results=("codes", "perplexity"))
def make_base(
    encoder: InputDir,
    clips: InputDir,
    *,
    destination: Destination,
    start: Location = "",
    sovits_start: Location = "",
    codes: Annotated[int, Ge(1), Le(1024)] = 256,
    codebook_clips: Annotated[int, Ge(1)] = 500,
    seed: int = 1234,
) -> Ledger:
    """Make fresh small models to pretrain: a codebook of what the content encoder gives, and random weights.

    Args:
        encoder: Folder of the content encoder, from train-content-encoder.
        clips: Folder of clips, from make-corpus.
        destination: Folder or s3:// address for the models.
        start: Models folder to go on from: its codebook and weights take the place of fresh ones.
        sovits_start: Models folder whose SoVITS and discriminator take the place of random ones, but for the codebook:
            they know voices, and learn anew what the codes mean.
        codes: How many semantic tokens there are.
        codebook_clips: How many clips to cluster.
        seed: Seed of the clustering and of the weights.
    """
    import shutil
    import tempfile
    from pathlib import Path

    if start and sovits_start:
        raise UsageError("start takes the other base's SoVITS already; leave sovits-start out")
    if start:
        return _take(start, destination)

    import numpy as np

    from voicemill.gpt_sovits import hubert
    from voicemill.gpt_sovits.runs import choose_device
    from voicemill.models import at_hand
    from voicemill.models.layout import place
    from voicemill.pretraining import base, placing

    ledger = Ledger()
    dice = np.random.default_rng(seed)
    paths = sorted(clips.glob("*.wav"))
    chosen = sorted(dice.permutation(len(paths))[:codebook_clips].tolist())
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
            base.take_sovits(folder, at_hand(sovits_start))
        placing.put(folder, destination)
    ledger.note(codes=codes, perplexity=round(perplexity, 1))
    return ledger


def _take(start: str, destination: str) -> Ledger:
    """The models of another base."""
    import shutil
    import tempfile
    from pathlib import Path

    from voicemill.models import at_hand, locate
    from voicemill.models.layout import place
    from voicemill.pretraining import placing

    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="voicemill-base-") as scratch:
        for name in ("hubert", "sovits-g", "sovits-d", "gpt"):
            found = locate(at_hand(start), name, placing.VERSION)
            path = Path(scratch) / place(name, placing.VERSION)
            path.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if found.is_dir() else shutil.copyfile)(found, path)
            ledger.keep(name)
        placing.put(Path(scratch), destination)
    ledger.note(codes=None, perplexity=None)
    return ledger


if __name__ == "__main__":
    make_base.main()
