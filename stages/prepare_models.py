"""Put pretrained models where a cluster's stages find them.

Reads   the hub and GitHub, or source      a folder or s3:// address, laid out as GPT-SoVITS's pretrained_models
Writes  destination                        the same layout, each file verified, with .voicemill-models.json
Drops   models of which a file is missing or damaged; the stage then fails when it has brought the others
"""

from voicemill.contract import Destination, Ledger, Location, stage


@stage(family="models", cpu=1, memory="2Gi", results=("bytes",))
def prepare_models(*, destination: Destination, source: Location = "", models: str = "") -> Ledger:
    """Put pretrained models where a cluster's stages find them.

    Args:
        destination: Folder (of a volume) or s3:// address of the models; what is there already is not brought again.
        source: Where to take them from: a folder or s3:// address; empty downloads them from where they are published.
        models: Versions (v2, v2Pro, v2ProPlus, v3, v4), names of models, or all, with spaces between; empty is v2,
            separation and whisper.
    """
    import tempfile
    from pathlib import Path

    from voicemill.core.errors import InputError
    from voicemill.models import catalogue
    from voicemill.models.preparing import Preparation

    ledger = Ledger()
    size = 0
    with tempfile.TemporaryDirectory(prefix="voicemill-models-") as scratch:
        preparation = Preparation(destination, source, Path(scratch))
        for model in ledger.each(
            preparation.models(catalogue.select(models.split())), name=lambda model: model.title, label="models"
        ):
            with ledger.item(model.title):
                there = preparation.bring(model)
                size += there.bytes
                ledger.keep(model.title, files=there.files, bytes=there.bytes, brought=there.brought)
    ledger.note(bytes=size)
    if ledger.dropped:
        raise InputError(f"{ledger.dropped} of {len(ledger.entries)} models are not in {destination}; see the ledger")
    return ledger


if __name__ == "__main__":
    prepare_models.main()
