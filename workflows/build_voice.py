"""build-voice: what CI triggers. Trains if anything changed; promotes the voice if it is not worse than the last one.

voicemill run build-voice -p speaker=anna -p source=recordings/anna -p models=models -p registry=registry --out runs/1
argo submit --from workflowtemplate/build-voice -p speaker=anna -p source=s3://bucket/anna -p models=/models -p registry=s3:///registry
"""

from hera.workflows import DAG, Artifact, Task
from hera.workflows.models import Mutex, Synchronization, TemplateRef

from voicemill.stages.check_build_cache import check_build_cache
from voicemill.stages.compare import compare
from voicemill.stages.promote import promote
from voicemill.workflows import clone_voice
from voicemill.workflows.chain import Chain, reference
from voicemill.workflows.policy import workflow_template

KNOWN = "{{tasks.check-build-cache.outputs.parameters.known}}"

# Whoever starts builds of a speaker, they take turns: the second finds what the first has built.
TURNS = Synchronization(mutexes=[Mutex(name="build-voice-{{workflow.parameters.speaker}}")])

with workflow_template("build-voice", of="speaker", entrypoint="main", synchronization=TURNS) as workflow:
    dag = DAG(name="main")
    chain = Chain(dag)
    chain.task(
        check_build_cache,
        None,
        *("speaker", "source", "models", "registry", "speaker-of", "transcripts-file", "lexicon", "review", "consent"),
        gives={"run-parameters": "{{workflow.parameters}}"},
    )
    with dag:
        Task(
            name="clone",
            template_ref=TemplateRef(name="clone-voice", template="clone-voice"),
            depends="check-build-cache",
            when=f"'{KNOWN}' == ''",
        )
    chain.task(
        compare,
        {"voice": "clone/voice"},
        *("speaker", "models", "registry", "alias", "compare-lines", "seed"),
        *("max-error-rate-rise", "max-similarity-drop", "max-failing-rise"),
        after="check-build-cache",
        gives={"known": KNOWN},
        backend="asr-backend",
    )
    chain.task(
        promote,
        {"comparison": "compare/comparison"},
        *("registry", "alias"),
        gives={"digest": "{{tasks.check-build-cache.outputs.parameters.digest}}"},
    )
    dag.outputs = [Artifact(name="comparison", from_=reference("compare/comparison"))]
    own = {parameter.name for parameter in clone_voice.workflow.arguments}  # pyright: ignore
    chain.parameters["registry"].value = None  # which has to be said here
    workflow.arguments = [
        *(item for item in clone_voice.workflow.arguments if item.name != "registry"),  # pyright: ignore
        chain.parameters["registry"],
        *(item for name, item in chain.parameters.items() if name not in own),
    ]
