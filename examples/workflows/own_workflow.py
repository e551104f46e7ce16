"""A workflow of one's own from voicemill's stages and a step that is not one of them, by Hera.

voicemill run examples/workflows/own_workflow.py -p source=recordings/anna --out runs/clips
hera generate yaml examples/workflows/own_workflow.py | argo submit -n voices -p source=s3://acme-voices/anna -
"""

from hera.workflows import DAG, Container, Parameter, Task, Workflow

from voicemill.stages.ingest import ingest
from voicemill.stages.normalize import normalize
from voicemill.stages.slice import slice_clips

KEYS = "clips/{{workflow.name}}"


def image(name: str) -> str:
    return f"registry.example.com/speech/voicemill-{name}:0.1.0"


with Workflow(generate_name="clips-", entrypoint="main", arguments=Parameter(name="source")) as workflow:
    read = ingest.container(image=image("ingest"), keys=KEYS)
    level = normalize.container(image=image("normalize"), keys=KEYS)
    cut = slice_clips.container(image=image("slice"), keys=KEYS)
    tell = Container(
        name="tell",
        image="busybox:1.37",
        command=["echo"],
        args=["{{inputs.parameters.clips}} clips, {{inputs.parameters.seconds}} seconds"],
        inputs=[Parameter(name="clips"), Parameter(name="seconds")],
    )
    with DAG(name="main"):
        source = {"source": "{{workflow.parameters.source}}", "min-minutes": "0.01", "consent": "given"}
        first = Task(name="ingest", template=read, arguments=source)
        second = Task(name="normalize", template=level, arguments=first.get_artifact("audio"))
        third = Task(name="slice", template=cut, arguments=second.get_artifact("levelled").with_name("audio"))
        found = [third.get_parameter("kept").with_name("clips"), third.get_parameter("seconds")]
        first >> second >> third >> Task(name="tell", template=tell, arguments=found)
