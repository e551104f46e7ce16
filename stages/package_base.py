"""Put what was pretrained together: a models folder to clone voices from.

Reads   encoder/hubert/, sovits/base/, gpt/     from train-content-encoder, train-sovits --export-base, train-gpt
Writes  destination                             a models folder, with a README that says how it was made
"""

from voicemill.contract import Destination, InputDir, Ledger, stage


@stage(family="publish", cpu=1, memory="2Gi", results=("bytes",))
def package_base(encoder: InputDir, sovits: InputDir, gpt: InputDir, *, destination: Destination) -> Ledger:
    """Put what was pretrained together: a models folder to clone voices from.

    Args:
        encoder: Folder of the content encoder, from train-content-encoder.
        sovits: Weights folder of train-sovits, with base files.
        gpt: Weights folder of train-gpt; its last epoch is taken.
        destination: Folder or s3:// address for the models.
    """
    import tempfile
    from pathlib import Path

    from voicemill.models import placing

    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="voicemill-base-") as scratch:
        folder = Path(scratch)
        for path in placing.assemble(folder, encoder, sovits, gpt):
            ledger.keep(path.relative_to(folder).as_posix(), bytes=path.stat().st_size)
        placing.put(folder, destination)
    ledger.note(bytes=sum(entry["bytes"] for entry in ledger.entries))
    return ledger


if __name__ == "__main__":
    package_base.main()
