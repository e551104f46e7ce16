"""Let every saved epoch speak lines that it was not trained on, and find the best pair and the best reference clip.

Reads   sovits/, gpt/      weights of the saved epochs
        clips/, transcripts/   the speaker, and the clip to imitate
        dataset/           which texts were trained on, and how they are read
Writes  evaluation/evaluation.json   the pairs with their measures, the best one, how sure the choice is, the reference
                                     clip and those that were tried, the options that they spoke with
        evaluation/references.safetensors   what the models found in the clips that the voice may have as references
        evaluation/audio/*.wav       what they said
Drops   pairs whose training diverged
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from voicemill.contract import BaseWeights, InputDir, Ledger, OutputDir, Seed, stage
from voicemill.voice.generation_config import KEY, Generation


@stage(
    family="evaluation",
    cpu=2,
    memory="8Gi",
    gpu_memory="4Gi",
    results=("sovits", "gpt", "error_rate", "similarity", "failing"),
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
    lines: Annotated[int, Ge(1)] = 12,
    reference_candidates: Annotated[int, Ge(1)] = 5,
    max_minutes: Annotated[float, Ge(0)] = 20.0,
    max_failing: Annotated[float, Ge(0), Le(1)] = 1.0,
    generation: Generation,
    seed: Seed = 1234,
    backend: Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"] = "auto",
) -> Ledger:
    """Let every saved epoch speak lines that it was not trained on, and find the best pair and reference clip.

    Of n SoVITS and m GPT epochs n + m - 1 pairs speak, not n * m: every SoVITS epoch with the last GPT epoch, then
    every GPT epoch with the best SoVITS epoch. The best pair then speaks as other clips of the speaker do. What is
    best has the highest score: likeness (Resemblyzer) less wrong words (a recogniser's), less a little where the
    pace is not the speaker's and the sound is bad (DNSMOS).

    Args:
        dataset: Dataset folder, from format.
        clips: Clips of the speaker, from slice.
        transcripts: Texts of the clips, from transcribe.
        sovits: Weights, from train-sovits.
        gpt: Weights, from train-gpt.
        evaluation: Where measures and audio go.
        models: Models folder, for HuBERT, BERT and the recogniser.
        lines: How many lines each pair speaks; there are sixty of each language.
        reference_candidates: How many clips are tried as the reference with the best pair; 1 takes the likeliest
            without a trial.
        max_minutes: How long it may take; what does not fit is left out: first lines, down to six, then clips to
            try. 0 for no limit, which also makes the result independent of the machine's speed.
        max_failing: Largest share of the best pair's lines that may fail verification, and would have to be mended;
            fails with exit code 65 where it is larger with 95 % chance. 1 lets every voice pass.
        generation: How the pairs speak, and the voice from then on.
        seed: The same seed speaks the lines the same way.
        backend: Recogniser that counts the errors: whisper, pocketsphinx (English), or auto.
    """
    import json

    from voicemill import asr
    from voicemill.core.errors import InputError
    from voicemill.core.logs import get_logger
    from voicemill.dataset.transcripts import read as read_transcripts
    from voicemill.evaluation import trial
    from voicemill.evaluation.choosing import weights_in
    from voicemill.evaluation.judging import Judge
    from voicemill.evaluation.sentences import held_out_lines
    from voicemill.evaluation.speaker import Speaker
    from voicemill.evaluation.speaker_similarity import second_encoder
    from voicemill.gpt_sovits.dataset import DatasetFolder
    from voicemill.models import resolve_local
    from voicemill.synthesis.load import Pretrained
    from voicemill.voice import pronunciation, understood
    from voicemill.voice.manifest import main_language

    ledger = Ledger()
    rows = read_transcripts(transcripts)
    language = main_language(rows)
    asked = held_out_lines(language, lines, [text.norm_text for text in DatasetFolder(dataset).texts().values()])
    if len(asked) < lines:
        what = "each pair speaks %d lines instead of %d: only so many were left out of training"
        get_logger(__name__).warning(what, len(asked), lines)
    folder = resolve_local(models)
    speaker = Speaker.of_clips(clips, rows, second_encoder(folder))
    judge = Judge(asr.recognizer(backend, folder, language), speaker, language)
    reading = pronunciation.load(folder, trained=dataset).reading
    (evaluation / "audio").mkdir()
    bench = trial.Bench(Pretrained(folder), judge, reading, generation, seed, clips, evaluation / "audio")
    limits = trial.Limits(reference_candidates, 60 * max_minutes)
    found = trial.run(bench, weights_in(sovits), weights_in(gpt), rows, asked, limits, ledger)
    content = {"language": language, "recogniser": judge.recogniser.name, KEY: generation.record(), **found.content()}
    if unclear := understood.warning(content["best"]):
        content["warning"] = unclear
        get_logger(__name__).warning("the voice is %s", unclear)
    trial.read_references(found, bench, rows, weights_in(sovits)).write(evaluation)
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (evaluation / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    best = found.best
    ledger.note(sovits=best.sovits, gpt=best.gpt, error_rate=best.error_rate, similarity=best.similarity)
    ledger.note(failing=best.failing, causes=best.causes)
    if best.failing_interval and best.failing_interval[0] > max_failing:
        causes = ", ".join(f"{cause} {count}" for cause, count in best.causes.items())
        least, most = best.failing_interval
        raise InputError(
            f"{best.failing:.0%} of the best pair's {len(best.lines)} lines fail verification ({least:.0%} to"
            f" {most:.0%} with 95 % chance; {causes}): more than max-failing, {max_failing:.0%};"
            " train longer, or look for wrong transcripts among the flagged clips"
        )
    return ledger


if __name__ == "__main__":
    evaluate.main()
