"""synthesize: lines spoken with a published voice.

voicemill run synthesize -p voice=runs/anna/voice -p text=lines.txt -p models=models --out runs/spoken
argo submit --from workflowtemplate/synthesize -p voice=s3:///voices/anna/... -p text="Good morning." -p models=s3:///models
"""

from hera.workflows import DAG, Artifact, Parameter

from voicemill.stages.synthesize import synthesize
from voicemill.workflows.chain import Chain, reference
from voicemill.workflows.policy import workflow_template

with workflow_template("synthesize", of="speaker", entrypoint="main") as workflow:
    dag = DAG(name="main")
    chain = Chain(dag)
    chain.task(
        synthesize,
        None,
        *(field.name for field in synthesize.parameters if field.name != "voice-at"),
        voice_at="voice",
    )
    chain.parameters["voice"].value = None  # which has to be said here
    dag.outputs = [Artifact(name="speech", from_=reference("synthesize/speech"))]
    workflow.arguments = [
        *chain.parameters.values(),
        Parameter(
            name="speaker",
            value="unnamed",
            description="Whose voice it is: the name under which what is spoken is kept, and found by who revokes it.",
        ),
    ]
