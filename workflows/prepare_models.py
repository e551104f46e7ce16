"""prepare-models: pretrained weights, from where they are published or from a folder, to a bucket or a volume.

voicemill run prepare-models -p destination=models --out runs/models
argo submit --from workflowtemplate/prepare-models -p destination=s3:///models
"""

from hera.workflows import DAG

from voicemill.stages.prepare_models import prepare_models
from voicemill.workflows.chain import Chain
from voicemill.workflows.policy import workflow_template

with workflow_template("prepare-models", entrypoint="main") as workflow:
    chain = Chain(DAG(name="main"), keys="prepare-models/{{workflow.name}}")
    chain.task(prepare_models, None, "destination", "source", "models")
    workflow.arguments = list(chain.parameters.values())
