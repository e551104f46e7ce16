"""clone-voice as a part of a larger workflow, by Hera: something before it, something after it.

hera generate yaml examples/workflows/clone_in_a_dag.py | \\
    argo submit -n voices -p speaker=anna -p source=s3://acme-voices/anna -p models=s3:///models -
"""

from hera.workflows import DAG, Container, Task, Workflow
from hera.workflows.models import TemplateRef

from voicemill.workflows import clone_voice

with Workflow(generate_name="narrator-", entrypoint="main", service_account_name="voicemill") as workflow:
    Container(
        name="say", image="busybox:1.37", command=["echo"], args=["{{inputs.parameters.words}}"], inputs={"words": ""}
    )
    with DAG(name="main"):
        begin = Task(name="begin", template="say", arguments={"words": "recordings are complete"})
        clone = Task(name="clone", template_ref=TemplateRef(name="clone-voice", template="clone-voice"))
        end = Task(name="end", template="say", arguments={"words": "the voice is there"})
        begin >> clone >> end
    # A template that is referred to reads the parameters of the workflow that runs.
    workflow.arguments = clone_voice.workflow.arguments
