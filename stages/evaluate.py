"""Let every saved epoch speak lines that it was not trained on, and find the best pair.

Reads   sovits/, gpt/      weights of the saved epochs
        clips/, transcripts/   the speaker, and the clip to imitate
        dataset/           which texts were trained on, and how they are read
Writes  evaluation/evaluation.json   the pairs with their measures, the best one, the reference clip, the options that
                                     they spoke with
        evaluation/audio/*.wav       what they said
Drops   pairs whose training diverged
"""

from typing import Annotated, Literal

from annotated_types import Ge

from voicemill.contract import BaseWeights, InputDir, Ledger, OutputDir, Seed, stage
from voicemill.voice.generation_config import KEY, Generation


@stage(
    family="evaluation", cpu=2, memory="8Gi", gpu_memory="4Gi", results=("sovits", "gpt", "error_rate", "similarity")
)
def evaluate(
    dataset: InputDir,
    clips: InputDir,
    transcripts: InputDir,
    sovits: InputDir,
    gpt: InputDir,
    evaluation: OutputDir,
    *,
    models: BaseWeights,
    lines: Annotated[int, Ge(1)] = 3,
    generation: Generation,
    seed: Seed = 1234,
    backend: Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"] = "auto",
) -> Ledger:
    """Let every saved epoch speak lines that it was not trained on, and find the best pair.

    Of n SoVITS and m GPT epochs n + m - 1 pairs speak, not n * m: every SoVITS epoch with the last GPT epoch, then
    every GPT epoch with the best SoVITS epoch. A recogniser counts the wrong words, Resemblyzer measures the likeness
    to the speaker; the best pair has most likeness less error rate.

    Args:
        dataset: Dataset folder, from format.
        clips: Clips of the speaker, from slice.
        transcripts: Texts of the clips, from transcribe.
        sovits: Weights, from train-sovits.
        gpt: Weights, from train-gpt.
        evaluation: Where measures and audio go.
        models: Models folder, for HuBERT, BERT and the recogniser.
        lines: How many lines each pair speaks; there are sixty of each language.
        generation: How the pairs speak, and the voice from then on.
        seed: The same seed speaks the lines the same way.
        backend: Recogniser that counts the errors: whisper, pocketsphinx (English), or auto.
    """
    import json
    from pathlib import Path

    from voicemill import asr
    from voicemill.core.errors import InputError
    from voicemill.core.logs import get_logger
    from voicemill.dataset.transcripts import read as read_transcripts
    from voicemill.evaluation.metrics import Judge, Measure, as_good, search, weights_in
    from voicemill.evaluation.sentences import held_out_lines
    from voicemill.evaluation.speaker_similarity import SpeakerLikeness
    from voicemill.gpt_sovits.dataset import DatasetFolder
    from voicemill.gpt_sovits.synthesis import Reference
    from voicemill.models import resolve_local
    from voicemill.synthesis.load import Pretrained, recite
    from voicemill.synthesis.options import options_of
    from voicemill.voice import pronunciation
    from voicemill.voice.manifest import choose_reference, main_language

    log = get_logger(__name__)
    ledger = Ledger()
    rows = read_transcripts(transcripts)
    chosen = choose_reference(rows)
    language = main_language(rows)
    trained_on = [text.norm_text for text in DatasetFolder(dataset).texts().values()]
    asked = held_out_lines(language, lines, trained_on)
    if len(asked) < lines:
        log.warning(
            "each pair speaks %d lines instead of %d: only so many were left out of training", len(asked), lines
        )
    folder = resolve_local(models)
    judge = Judge(asr.recognizer(backend, folder, language), SpeakerLikeness.of_clips(clips, rows), language)
    pretrained = Pretrained(folder)
    reading = pronunciation.load(folder, trained=dataset).reading
    options = options_of(generation)
    reference = generation.prompt(Reference(clips / chosen["clip"], chosen["text"], chosen["language"].lower()))
    (evaluation / "audio").mkdir()

    def measure(acoustic: Path, token: Path) -> Measure:
        name = f"{acoustic.stem}+{token.stem}"
        synthesizer = pretrained.synthesizer(acoustic, token, reading=reading)
        spoken = recite(synthesizer, reference, asked, language, seed, options, generation.speed)
        try:
            pair = judge.measure(acoustic.name, token.name, asked, spoken, evaluation / "audio")
        except InputError as error:
            ledger.drop(name, str(error))
            return Measure(acoustic.name, token.name, error_rate=1.0, similarity=-1.0, seconds=0.0)
        log.info("%s", name, error_rate=pair.error_rate, similarity=pair.similarity)
        ledger.keep(name, error_rate=pair.error_rate, similarity=pair.similarity)
        return pair

    best, measured = search(weights_in(sovits), weights_in(gpt), measure)
    ledger.require(1, "pairs")
    content = {
        "language": language,
        "recogniser": judge.recogniser.name,
        "reference": chosen,
        KEY: generation.record(),
        "best": {key: value for key, value in best.row().items() if key != "lines"},
        "as_good": as_good(best, measured),
        "pairs": [pair.row() for pair in measured],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (evaluation / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    ledger.note(sovits=best.sovits, gpt=best.gpt, error_rate=best.error_rate, similarity=best.similarity)
    return ledger


if __name__ == "__main__":
    evaluate.main()
