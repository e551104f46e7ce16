"""Make a corpus to pretrain on: synthetic speakers that read sentences without end.

Reads   nothing but the synthesizer flite, CMUdict and, with --texts, a file of sentences
Writes  clips/*.wav       32 kHz mono PCM_16, named <speaker>_<number>.wav
        transcripts/      transcripts.list, segments.json (which phone is when), speakers.json (how a voice is made)
Drops   sentences that flite reads otherwise than our front-end
"""

from typing import Annotated

from annotated_types import Ge, Gt

from voicemill.contract import FileLocation, Ledger, OutputDir, Seed, stage


@stage(family="corpus", cpu=1, memory="4Gi", results=("kept", "seconds"))
def make_corpus(
    clips: OutputDir,
    transcripts: OutputDir,
    *,
    minutes: Annotated[float, Gt(0)] = 120.0,
    speakers: Annotated[int, Ge(1)] = 32,
    corpus_seed: Seed = 0,
    texts: FileLocation = "",
) -> Ledger:
    """Make a corpus to pretrain on: synthetic speakers that read sentences without end.

    Args:
        clips: Where the clips go.
        transcripts: Where their texts, phones and speakers go.
        minutes: How much speech.
        speakers: How many speakers: the four voices of flite as they are, then others made of them.
        corpus_seed: Seed of the sentences, the speakers and the noise.
        texts: File of sentences, one a line, to say besides those of a small grammar; lines with figures or signs, and
            those of fewer than 2 or more than 14 words, are passed over.
    """
    import itertools
    import json
    from dataclasses import asdict

    import numpy as np

    from voicemill import storage
    from voicemill.audio.reading import write_wav
    from voicemill.contract import check_stop, progress
    from voicemill.dataset import labels
    from voicemill.pretraining import corpus, sentences
    from voicemill.text import phonemize

    ledger = Ledger()
    people = corpus.speakers(speakers, corpus_seed)
    noise = np.random.default_rng(corpus_seed)
    spoken, segments, seconds = [], {}, 0.0
    said = sentences.sentences(corpus_seed, sentences.read_texts(storage.fetch(texts)) if texts else ())
    turns = zip(said, itertools.cycle(people), itertools.count())
    for text, speaker, number in progress(turns, "speaking"):
        check_stop()
        name = f"{speaker.name}_{number:05}.wav"
        with ledger.item(name):
            wav, phones = speaker.say(text, noise)
            agreed = corpus.agreement(phones, phonemize(text, "en", "v2", lead_in=False).phones)
            if agreed < corpus.AGREEMENT:
                ledger.drop(
                    name,
                    "flite pronounces it differently from voicemill's front end",
                    agreement=round(agreed, 3),
                    text=text,
                )
                continue
            write_wav(clips / name, (wav * 32767).astype(np.int16), corpus.RATE, "PCM_16")
            segments[name] = [[s.phone, round(s.end, 4)] for s in phones]
            spoken.append(labels.Label(name, speaker.name, "en", text))
            seconds += len(wav) / corpus.RATE
            ledger.keep(name, seconds=round(len(wav) / corpus.RATE, 3))
        if seconds >= 60 * minutes:
            break
    labels.write(transcripts / "transcripts.list", spoken)
    (transcripts / "segments.json").write_text(json.dumps(segments), encoding="utf-8")
    made = {speaker.name: asdict(speaker) for speaker in people}
    (transcripts / "speakers.json").write_text(json.dumps(made, indent=1), encoding="utf-8")
    ledger.note(seconds=round(seconds, 1), speakers=len(people))
    return ledger


if __name__ == "__main__":
    make_corpus.main()
