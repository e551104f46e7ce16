"""How well a base in the making speaks: word and phone errors of copies and of text, by saved epochs.

    python -m benchmarks.pretraining C --say [--sentences FILE]
    python -m voicemill.stages.format --clips C/clips --transcripts C/texts --dataset C/dataset --models DIR
    python -m benchmarks.pretraining C/dataset --sovits FILE ... [--gpt FILE ... [--beams N]] [--base s2G.pth ...]
        [--models DIR] [--whisper]

--say has flite say the sentences of benchmarks.quality, which are not trained on, or those of a file. A copy is what
SoVITS makes of the tokens of a clip, in its voice; with a token model, the same texts are spoken in the voice of
another clip of the same speaker, where there is one that lasts 3 s. Base files also say a clip from its own
spectrogram: what is lost then, the vocoder loses. pocketsphinx listens, with --whisper also the Whisper of the models
folder; in brackets the 95 % interval of the words, by drawing the sentences anew.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.quality.sources import SENTENCES, sentences
from benchmarks.quality.speaking import STEADY
from voicemill.asr import Recognizer, recognizer
from voicemill.asr.transcript import RATE
from voicemill.audio.reading import read_mono, write_wav
from voicemill.audio.resampling import resample
from voicemill.dataset import labels
from voicemill.evaluation import intervals
from voicemill.gpt_sovits.dataset import RATE as SPEECH_RATE
from voicemill.gpt_sovits.dataset import DatasetFolder
from voicemill.gpt_sovits.formats.checkpoints import build_generator, load_exactly, load_sovits
from voicemill.gpt_sovits.sovits import data
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis.recordings import LONGEST_SECONDS, SHORTEST_SECONDS
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.pretraining import corpus
from voicemill.pretraining.flite import VOICES
from voicemill.synthesis.load import Pretrained
from voicemill.text import scoring, symbols


def copies(sovits: Path, items: list[data.Item]) -> Iterable[np.ndarray]:
    """Return each clip from its own tokens, float32 at 32 kHz."""
    generator = build_generator(load_sovits(sovits))
    torch.manual_seed(0)
    for item in items:
        example = data.load(item)
        codes = generator.extract_codes(example.ssl_1CT)
        yield generator.decode(codes, example.phones_P[None], [example.spec_FT[None]])[0, 0].numpy()


@torch.no_grad()
def resyntheses(base: Path, items: list[data.Item]) -> Iterable[np.ndarray]:
    """Return each clip through the posterior encoder and the vocoder, float32 at 32 kHz."""
    checkpoint = load_sovits(base)
    generator = Generator(checkpoint.config)
    load_exactly(generator, checkpoint.weights)
    generator.eval()
    for item in items:
        spec_1FT = data.load(item).spec_FT.unsqueeze(0)
        mask_11T = torch.ones_like(spec_1FT[:, :1])
        g_1G1 = generator.speaker(spec_1FT, mask_11T)
        yield generator.dec(generator.enc_q(spec_1FT, mask_11T, g_1G1)[0], g_1G1)[0, 0].numpy()


def prompts_of(items: list[data.Item]) -> dict[str, data.Item]:
    """For each clip another one of its speaker that can be a reference; clips that have none are left out."""
    long_enough = [item for item in items if SHORTEST_SECONDS < item.seconds < LONGEST_SECONDS]
    found = {}
    for item in items:
        speaker = item.name.partition("_")[0]
        others = (one for one in long_enough if one != item and one.name.startswith(f"{speaker}_"))
        if (other := next(others, None)) is not None:
            found[item.name] = other
    return found


def spoken(
    sovits: Path, gpt: Path, models: Path, texts: dict[str, str], prompts: dict[str, data.Item], beams: int
) -> Iterable[np.ndarray]:
    """Return the text of each clip that has a prompt, in its voice, float32 at 32 kHz."""
    synthesizer = Pretrained(models).synthesizer(sovits, gpt)
    options = replace(STEADY, sampling=replace(STEADY.sampling, num_beams=beams))
    for name, other in prompts.items():
        reference = Reference(other.wav, "", "en")
        speech = synthesizer.speak(texts[name], "en", reference, seed=1, options=options)
        yield np.asarray(speech.samples, np.float32)


def report(
    title: str,
    sounds: Iterable[np.ndarray],
    texts: dict[str, str],
    audio: Path | None,
    listeners: Sequence[Recognizer],
) -> None:
    """Print the errors that each recogniser hears, those in words by voice too; keep the audio if asked."""
    heard: dict[str, list[tuple[str, scoring.Score, str, str]]] = {listener.name: [] for listener in listeners}
    file_name, seconds = title.replace(" ", "_").replace("/", "-"), 0.0
    for (name, text), samples in zip(texts.items(), sounds, strict=True):
        seconds += len(samples) / SPEECH_RATE
        sound = resample(samples, SPEECH_RATE, RATE)
        for listener in listeners:
            words = listener.transcribe(sound).text
            row = name.partition("_")[0], scoring.score(text, words, "en"), text, words
            heard[listener.name].append(row)
        if audio:
            folder = audio / file_name
            folder.mkdir(parents=True, exist_ok=True)
            write_wav(folder / name, (np.clip(samples, -1, 1) * 32767).astype(np.int16), SPEECH_RATE, "PCM_16")
    for listener, rows in heard.items():
        words = [found.words for _, found, *_ in rows]
        ends = intervals.ratio([one.errors for one in words], [one.length for one in words])
        interval = f" ({ends[0]:.1%} to {ends[1]:.1%})" if ends else ""
        voices = dict.fromkeys(voice for voice, *_ in rows)
        each = {voice: scoring.pooled(found.words for one, found, *_ in rows if one == voice).rate for voice in voices}
        print(
            f"{title}, by {listener}: {scoring.pooled(words).rate:.1%}{interval} word errors,",
            f"{scoring.pooled(found.phones for _, found, *_ in rows).rate:.1%} phone errors, {seconds:.0f} s; words:",
            ", ".join(f"{voice} {rate:.0%}" for voice, rate in each.items()),
            flush=True,
        )
        if audio:
            lines = [f"{voice}\t{text}\t{words}\n" for voice, _, text, words in rows]
            (audio / f"{file_name}.{listener}.tsv").write_text("".join(lines), encoding="utf-8")


def say(folder: Path, lines: list[str]) -> None:
    """Write clips and transcripts of sentences by each voice, as make-corpus does."""
    noise, spoken = np.random.default_rng(0), []
    for path in (folder / "clips", folder / "texts"):
        path.mkdir(parents=True, exist_ok=True)
    for speaker in corpus.speakers(len(VOICES), 0):
        for number, text in enumerate(lines):
            name = f"{speaker.name}_{number:05}.wav"
            wav, _ = speaker.say(text, noise)
            write_wav(folder / "clips" / name, (wav * 32767).astype(np.int16), corpus.RATE, "PCM_16")
            spoken.append(labels.Label(name, speaker.name, "en", text))
    labels.write(folder / "texts" / "transcripts.list", spoken)


def main() -> None:
    """Print a line for the clips, one for each base and each SoVITS, and one for each pair with a token model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--say", action="store_true", help="write clips to make a dataset of into this folder instead")
    parser.add_argument("--sentences", type=Path, default=SENTENCES, help="what --say says, a sentence a line")
    parser.add_argument("--sovits", nargs="*", type=Path, default=[])
    parser.add_argument("--base", nargs="*", type=Path, default=[])
    parser.add_argument("--gpt", nargs="*", type=Path, default=[])
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--beams", type=int, default=STEADY.sampling.num_beams, help="of texts; 1 is token by token")
    parser.add_argument("--whisper", action="store_true", help="the Whisper of the models folder listens, too")
    parser.add_argument("--audio", type=Path)
    arguments = parser.parse_args()
    if arguments.say:
        say(arguments.dataset, sentences(arguments.sentences))
        return
    folder = DatasetFolder(arguments.dataset)
    texts = {name: text.norm_text for name, text in sorted(folder.texts().items())}
    items = data.find_items(arguments.dataset, lambda phones: symbols.ids(phones, "v2")).items
    listeners = [
        recognizer(name, arguments.models, "en") for name in ("pocketsphinx", "whisper")[: 1 + arguments.whisper]
    ]
    originals = (read_mono(folder.wav_path(name), SPEECH_RATE) for name in texts)
    report("the clips", originals, texts, None, listeners)
    for base in arguments.base:
        report(
            f"vocoder of {base.parent.name}/{base.stem}", resyntheses(base, items), texts, arguments.audio, listeners
        )
    for sovits in arguments.sovits:
        report(f"copies by {sovits.stem}", copies(sovits, items), texts, arguments.audio, listeners)
    prompts = prompts_of(items)
    asked = {name: texts[name] for name in prompts}
    for sovits in arguments.sovits:
        for gpt in arguments.gpt:
            sounds = spoken(sovits, gpt, arguments.models, texts, prompts, arguments.beams)
            report(f"{sovits.stem} with {gpt.stem}", sounds, asked, arguments.audio, listeners)


if __name__ == "__main__":
    main()
