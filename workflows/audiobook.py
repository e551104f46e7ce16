"""audiobook: a script spoken with a published voice, and one audio file of it with chapters and subtitles.

voicemill run audiobook -p voice=runs/anna/voice -p text=book.txt -p models=models -p title="The mill" --out runs/book
argo submit --from workflowtemplate/audiobook -p voice=s3:///voices/anna/... -p text=s3:///books/mill.txt -p models=s3:///models
"""

from hera.workflows import DAG, Artifact, Parameter

from voicemill.stages.join import join
from voicemill.stages.synthesize import synthesize
from voicemill.workflows.chain import Chain, reference
from voicemill.workflows.policy import workflow_template

with workflow_template("audiobook", of="speaker", entrypoint="main") as workflow:
    dag = DAG(name="main")
    chain = Chain(dag)
    chain.task(
        synthesize,
        None,
        *(field.name for field in synthesize.parameters if field.name != "voice-at"),
        voice_at="voice",
    )
    own = (field.name for field in join.parameters if field.name != "config")
    chain.task(join, {"speech": "synthesize/speech"}, *own)
    for name in ("voice", "text"):
        chain.parameters[name].value = None  # which have to be said here
    # Subtitles follow the words.
    chain.parameters["word-times"].value = "true"
    dag.outputs = [
        Artifact(name="audio", from_=reference("join/audio")),
        Artifact(name="speech", from_=reference("synthesize/speech")),
    ]
    workflow.arguments = [
        *chain.parameters.values(),
        Parameter(
            name="speaker",
            value="unnamed",
            description="Whose voice it is: the name under which what is spoken is kept, and found by who revokes it.",
        ),
    ]
