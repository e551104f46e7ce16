"""Write the report of a run: one HTML page that needs no network.

Reads   whatever the other stages left; any input may be missing
Writes  report.html       what each stage kept and dropped and why, sounds and pictures before and after cleaning,
                          clips, losses, evaluation, audio to listen to, what it was made from
"""

from voicemill.contract import InputDir, InputFile, Ledger, OutputFile, stage


@stage(family="report", cpu=1, memory="2Gi", kept=("report",))
def report(
    report: OutputFile,
    ledgers: InputDir | None = None,
    audio: InputDir | None = None,
    vocals: InputDir | None = None,
    measures: InputFile | None = None,
    dereverbed: InputDir | None = None,
    denoised: InputDir | None = None,
    levelled: InputDir | None = None,
    clips: InputDir | None = None,
    transcripts: InputDir | None = None,
    sovits: InputDir | None = None,
    gpt: InputDir | None = None,
    evaluation: InputDir | None = None,
    voice: InputDir | None = None,
    speech: InputDir | None = None,
    *,
    run_speaker: str = "",
    run_status: str = "",
    run_parameters: str = "",
) -> Ledger:
    """Write the report of a run.

    Args:
        report: The page.
        ledgers: Folder of the stages' ledgers.
        audio: Recordings as ingest took them in.
        vocals: Recordings after separate.
        measures: What assess-quality found.
        dereverbed: Recordings after dereverb.
        denoised: Recordings after denoise.
        levelled: Recordings after normalize.
        clips: Clips from slice.
        transcripts: Texts from transcribe.
        sovits: Weights and metrics from train-sovits.
        gpt: Weights and metrics from train-gpt.
        evaluation: Measures and audio from evaluate.
        voice: The published voice.
        speech: What synthesize spoke.
        run_speaker: Name of the voice.
        run_status: How the run ended, such as Succeeded.
        run_parameters: The run's parameters as JSON, an object or Argo's list of names and values.
    """
    from voicemill.contract.parameters import of_run
    from voicemill.report import Run, build

    parameters = of_run(run_parameters)
    folders = {
        "audio": audio,
        "vocals": vocals,
        "measures": measures,
        "dereverbed": dereverbed,
        "denoised": denoised,
        "levelled": levelled,
        "clips": clips,
        "transcripts": transcripts,
        "sovits": sovits,
        "gpt": gpt,
        "evaluation": evaluation,
        "voice": voice,
        "speech": speech,
        "ledgers": ledgers,
    }
    page = build(Run(**folders, speaker=run_speaker, status=run_status, parameters=parameters))
    report.write_text(page, encoding="utf-8")
    ledger = Ledger()
    for name, path in folders.items():
        if path:
            ledger.keep(name)
    ledger.note(bytes=len(page.encode()))
    return ledger


if __name__ == "__main__":
    report.main()
