"""Make the voices of a batch: a workflow for each speaker, some at once.

Reads   manifest                       speakers, their sources and parameters
        records/<batch>/speakers       what came of each before
Writes  workflows of the cluster       one for each speaker who has no voice yet
        records/<batch>/speakers       what came of each
Drops   speakers without a voice, with the reason; ends with 65 if there are too many of them
"""

from typing import Annotated

from annotated_types import Ge, Le

from voicemill.contract import Destination, Ledger, TextOrFile, stage


@stage(family="workflows", cpu=0.1, memory="512Mi", conducts=True)
def run_batch(
    *,
    manifest: TextOrFile,
    batch: str,
    run: str,
    run_uid: str,
    workflow: str = "clone-voice",
    parameters: str = "",
    config: TextOrFile = "",
    max_parallel: Annotated[int, Ge(1)] = 10,
    priority: int = 0,
    queue: str = "",
    inline: bool = False,
    min_success_ratio: Annotated[float, Ge(0), Le(1)] = 1.0,
    gpu_hour: Annotated[float, Ge(0)] = 0.0,
    cpu_hour: Annotated[float, Ge(0)] = 0.0,
    records: Destination = "s3:///batches",
) -> Ledger:
    """Make the voices of a batch: a workflow for each speaker, some at once.

    Args:
        manifest: s3:// address of a CSV or JSON-lines file with a speaker a row, or the text itself.
        batch: Its name. Submit again with the same one to go on: who has a voice is not worked on again.
        run: Name of the workflow that this is a task of.
        run_uid: That workflow's uid, by which the cluster deletes the speakers' workflows with it.
        workflow: WorkflowTemplate that makes a voice.
        parameters: Its parameters for all speakers, KEY=VALUE; KEY=VALUE or a JSON object; a row's own go before them.
        config: Options of the stages of all speakers' workflows; a speaker's own, in the manifest, takes its place.
        max_parallel: Speakers that are worked on at the same time.
        priority: Priority of their workflows among all others; higher ones go first.
        queue: Kueue's queue for their pods; none if empty.
        inline: Submit their workflows whole instead of as references to the WorkflowTemplate: smaller objects in the
            end, and fewer requests. A controller with `templateReferencing` refuses them.
        min_success_ratio: Share of the speakers that must get a voice, from 0 to 1.
        gpu_hour: Price of a GPU hour, for the estimate of cost.
        cpu_hour: Price of a CPU core's hour.
        records: Folder or s3:// address below which what came of each speaker is kept.
    """
    from voicemill.batch import batch_plan, conductor, events, metrics, summary
    from voicemill.batch.records import Records
    from voicemill.batch.speaker_workflows import BatchSettings, check_queue
    from voicemill.cluster.kube import Kube
    from voicemill.core.errors import InputError, Interrupted

    cluster, ledger = Kube(), Ledger()
    prices = (min_success_ratio, gpu_hour, cpu_hour)
    asked = batch_plan.read(cluster, batch_plan.BatchRequest(manifest, batch, workflow, parameters, config, *prices))
    for line, texts in asked.wrong.items():
        ledger.drop(f"line {line}", texts)
    if asked.errors:
        first = asked.errors[0]
        raise InputError(
            f"{len(asked.errors)} errors in {asked.batch.manifest}, nothing was started; all are in the log,"
            f" the first is on line {first.line}: {first.text}"
        )
    check_queue(asked.plan.template, queue)
    settings = BatchSettings(batch, run, run_uid, max_parallel, priority, queue, inline)
    voices = conductor.Conductor(cluster, asked, settings, Records(records, batch))
    total, rows = len(asked.batch.jobs), []
    told = events.Events(cluster, run, run_uid)
    with metrics.served_if_asked(lambda: metrics.text_of(batch, voices.counts(), len(voices.failed_again))):
        try:
            for row in ledger.each(voices.rows(), total=total, name=lambda row: row.speaker, label="speakers"):
                rows.append(row)
                if row.outcome == "voice":
                    ledger.keep(row.speaker, voice=row.voice)
                    continue
                ledger.drop(row.speaker, row.reason or row.outcome)
                if row.speaker in voices.failed_again:
                    told.failed_again(row.speaker, row.reason)
        except Interrupted:
            voices.leave()
            raise
    told.done(ledger.kept, total)
    ledger.note(voices=ledger.kept)
    if error := summary.too_few(rows, min_success_ratio):
        raise error
    return ledger


if __name__ == "__main__":
    run_batch.main()
