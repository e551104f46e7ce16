"""clone-batch: a manifest of speakers in, a voice for each and one table of how it went; a workflow for each speaker.

voicemill batch submit speakers.csv -p models=s3:///models
argo submit --from workflowtemplate/clone-batch -p batch=heroes -p manifest=s3://bucket/speakers.csv -p parameters="models=s3:///models"

It conducts workflows of the cluster that it runs on; on one machine it is `voicemill batch`.
"""

from hera.workflows import DAG

from voicemill.stages.batch_report import batch_report
from voicemill.stages.run_batch import run_batch
from voicemill.workflows.chain import Chain
from voicemill.workflows.policy import workflow_template

RUN = {"run": "{{workflow.name}}", "run-uid": "{{workflow.uid}}"}

with workflow_template(
    "clone-batch",
    of="batch",
    entrypoint="main",
    annotations={"voicemill.dev/instead": "voicemill batch MANIFEST --out DIR"},
) as workflow:
    chain = Chain(DAG(name="main"), keys="batches/{{workflow.parameters.batch}}/{{workflow.name}}")
    own = [field.name for field in run_batch.parameters if field.name not in (*RUN, "records")]
    chain.task(run_batch, None, *own, gives=RUN, alone="batch-{{inputs.parameters.batch}}")
    workflow.on_exit = chain.exit_handler(
        batch_report,
        {},
        run=RUN["run"],
        run_uid=RUN["run-uid"],
        run_parameters="{{workflow.parameters}}",
    )
    workflow.arguments = list(chain.parameters.values())
