"""Tell what came of a batch, and end what still runs of it.

Reads   records/<batch>/speakers   what came of each speaker
Writes  table/summary.csv          a row for each speaker of the manifest
        table/summary.html         the same as a page
"""

from voicemill.contract import Destination, Ledger, OutputDir, stage


@stage(family="workflows", cpu=0.1, memory="512Mi", kept=("table",), conducts=True)
def batch_report(
    table: OutputDir, *, run: str, run_uid: str, run_parameters: str, records: Destination = "s3:///batches"
) -> Ledger:
    """Tell what came of a batch, and end what still runs of it.

    Args:
        table: The tables.
        run: Name of the workflow that conducted the batch.
        run_uid: That workflow's uid.
        run_parameters: The run's parameters as JSON, an object or Argo's list of names and values.
        records: Folder or s3:// address below which what came of each speaker is kept.
    """
    from voicemill.batch import batch_plan, conductor, summary
    from voicemill.batch.records import Records
    from voicemill.batch.speaker_workflows import BatchSettings
    from voicemill.cluster.kube import Kube
    from voicemill.contract.parameters import of_run

    given, cluster = of_run(run_parameters), Kube()
    asked = batch_plan.read(cluster, batch_plan.BatchRequest.of(given), look=False)
    settings = BatchSettings(given["batch"], run, run_uid)
    rows = conductor.conclude(cluster, asked, settings, Records(records, settings.name))
    summary.write(asked.batch, rows, table)
    ledger = Ledger()
    for row in rows:
        ledger.keep(f"line {row.line}", of_speaker=row.speaker, came_out=row.outcome)
    ledger.note(**summary.totals(rows))
    return ledger


if __name__ == "__main__":
    batch_report.main()
