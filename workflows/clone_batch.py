"""clone-batch: a manifest of speakers in, a voice for each and one table of how it went; a workflow for each speaker.

voicemill batch submit speakers.csv -p models=s3:///models
argo submit --from workflowtemplate/clone-batch -p batch=heroes -p manifest=s3://bucket/speakers.csv -p parameters="models=s3:///models"

It conducts workflows of the cluster that it runs on; on one machine it is `voicemill batch`.
"""

from hera.workflows import DAG, WorkflowTemplate

from voicemill.stages.conduct import conduct
from voicemill.stages.summarize import summarize
from voicemill.workflows.chain import Chain

RUN = {"run": "{{workflow.name}}", "run-uid": "{{workflow.uid}}"}

with WorkflowTemplate(
    name="clone-batch",
    entrypoint="main",
    annotations={"voicemill.dev/instead": "voicemill batch MANIFEST --out DIR"},
) as workflow:
    chain = Chain(DAG(name="main"), keys="batches/{{workflow.parameters.batch}}/{{workflow.name}}")
    own = [field.name for field in conduct.parameters if field.name not in (*RUN, "records")]
    chain.task(conduct, None, *own, gives=RUN, alone="batch-{{inputs.parameters.batch}}")
    workflow.on_exit = chain.exit_handler(
        summarize,
        {},
        run=RUN["run"],
        run_uid=RUN["run-uid"],
        run_parameters="{{workflow.parameters}}",
    )
    workflow.arguments = list(chain.parameters.values())
