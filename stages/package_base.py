"""Put what was pretrained together: a models folder to clone voices from.

Reads   encoder/hubert/, sovits/base/, gpt/     from train-content-encoder, train-sovits --export-base, train-gpt
Writes  destination                             a models folder, with defaults.yaml: how voices are best made from it
"""

from voicemill.contract import Destination, InputDir, Ledger, TextOrFile, stage

GREEDY = "evaluate: {top-k: 1, repetition-penalty: 1, text-split: cut0, use-prompt: false}"
"""A base of this size is understood best when it takes the likeliest token and hears a whole line, without a prompt."""


@stage(family="publish", cpu=1, memory="2Gi", results=("bytes",))
def package_base(
    encoder: InputDir, sovits: InputDir, gpt: InputDir, *, destination: Destination, defaults: TextOrFile = GREEDY
) -> Ledger:
    """Put what was pretrained together: a models folder to clone voices from.

    Args:
        encoder: Folder of the content encoder, from train-content-encoder.
        sovits: Weights folder of train-sovits, with base files.
        gpt: Weights folder of train-gpt; its last epoch is taken.
        destination: Folder or s3:// address for the models.
        defaults: Options of stages by which voices are best trained and spoken with on this base, in the form of
            `--config`; they become its defaults.yaml.
    """
    import tempfile
    from pathlib import Path

    from voicemill.contract import config
    from voicemill.core.errors import UsageError
    from voicemill.models import placing

    sections = config.read(defaults)
    if unknown := "; ".join(map(str, config.unknown_stages(sections))):
        raise UsageError(f"--defaults: {unknown}")
    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="voicemill-base-") as scratch:
        folder = Path(scratch)
        for path in placing.assemble(folder, encoder, sovits, gpt):
            ledger.keep(path.relative_to(folder).as_posix(), bytes=path.stat().st_size)
        placing.put(folder, destination)
        if sections:
            placing.put_defaults(config.text_of(sections), destination)
    ledger.note(bytes=sum(entry["bytes"] for entry in ledger.entries))
    return ledger


if __name__ == "__main__":
    package_base.main()
