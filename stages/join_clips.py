"""Join clips of a dataset to longer ones, for the token model: in synthesis it goes on from a reference.

Reads   dataset/2-name2text.txt, 6-name2semantic.tsv     from format
Writes  joined/ the same tables, of several clips a row
Drops   clips without phones or tokens
"""

from typing import Annotated

from annotated_types import Ge

from voicemill.contract import InputDir, Ledger, OutputDir, stage


@stage(family="voice", cpu=1, memory="4Gi", results=("kept",))
def join_clips(
    dataset: InputDir, joined: OutputDir, *, clips: Annotated[int, Ge(1)] = 3, rounds: Annotated[int, Ge(1)] = 1
) -> Ledger:
    """Join clips of a dataset to longer ones, for the token model: in synthesis it goes on from a reference.

    Args:
        dataset: Dataset folder, from format.
        joined: Dataset folder for the token model alone.
        clips: The most clips in a row, all of one speaker; rows of 1, 2 and so on take turns.
        rounds: How often each clip is in some row, each time with others.
    """
    from voicemill.gpt_sovits.dataset import DatasetFolder
    from voicemill.pretraining import joining

    ledger = Ledger()
    source, target = DatasetFolder(dataset), DatasetFolder(joined)
    target.create(source.version())
    texts, codes = source.texts(), source.codes()
    for name in sorted(texts.keys() ^ codes.keys()):
        ledger.drop(name, "it has no phones, or no tokens")
    rows = joining.rows(sorted(texts.keys() & codes.keys()), clips, rounds)
    for names in rows:
        ledger.keep(joining.name_of(names), clips=len(names))
    ledger.require(1, "rows")
    target.write_texts({joining.name_of(names): joining.join_texts([texts[n] for n in names]) for names in rows})
    target.write_codes({joining.name_of(names): [c for n in names for c in codes[n]] for names in rows})
    return ledger


if __name__ == "__main__":
    join_clips.main()
