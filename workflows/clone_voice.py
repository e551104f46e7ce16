"""clone-voice: recordings of one speaker in, a published voice and spoken lines out.

voicemill run clone-voice -p speaker=anna -p source=recordings/anna -p models=models --out runs/anna
argo submit --from workflowtemplate/clone-voice -p speaker=anna -p source=s3://bucket/anna -p models=/models
"""

from hera.workflows import DAG, Artifact, Parameter, Suspend, Task
from hera.workflows.models import SuppliedValueFrom, ValueFrom

from voicemill.stages.apply_review import apply_review
from voicemill.stages.assess_quality import assess_quality
from voicemill.stages.denoise import denoise
from voicemill.stages.dereverb import dereverb
from voicemill.stages.evaluate import evaluate
from voicemill.stages.format import format_dataset
from voicemill.stages.identify_speakers import identify_speakers
from voicemill.stages.ingest import ingest
from voicemill.stages.normalize import normalize
from voicemill.stages.publish import publish
from voicemill.stages.report import report
from voicemill.stages.separate import separate
from voicemill.stages.slice import slice_clips
from voicemill.stages.synthesize import synthesize
from voicemill.stages.train_gpt import train_gpt
from voicemill.stages.train_sovits import train_sovits
from voicemill.stages.transcribe import transcribe
from voicemill.workflows.chain import Chain, reference
from voicemill.workflows.policy import workflow_template

WANTS_PROOFREADING = (
    "({{workflow.parameters.proofread}} == always"
    " || ({{workflow.parameters.proofread}} == auto && {{tasks.transcribe.outputs.parameters.flagged}} > 0))"
)
# An expression reads the path as a value; in quotes, an apostrophe in it would end the text.
NOT_REVIEWED = "{{=workflow.parameters.review == ''}}"
APPROVAL = ("reviewer", "review", "kept", "edited", "dropped")

with workflow_template(
    "clone-voice",
    of="speaker",
    entrypoint="clone-voice",
    annotations={"voicemill.dev/exports": "report=report.html"},
) as workflow:
    dag = DAG(name="clone-voice")
    chain = Chain(dag)

    chain.task(ingest, None, "source", "min-minutes", "consent")
    chain.task(separate, {"audio": "ingest/audio"}, "models")
    chain.task(assess_quality, {"audio": "separate/vocals"})
    cleaned = {"audio": "separate/vocals", "measures": "assess-quality/measures"}
    chain.task(dereverb, cleaned, "models", when="{{tasks.assess-quality.outputs.parameters.dereverb}} > 0")
    cleaned |= {"dereverbed": "dereverb/dereverbed"}
    chain.task(denoise, cleaned, "models", when="{{tasks.assess-quality.outputs.parameters.denoise}} > 0")
    chain.task(
        normalize,
        {"audio": "separate/vocals", "dereverbed": "dereverb/dereverbed", "denoised": "denoise/denoised"},
    )
    chain.task(slice_clips, {"audio": "normalize/levelled"})
    chain.task(identify_speakers, {"clips": "slice/clips"}, "speaker-of")
    chain.task(
        transcribe,
        {"clips": "identify-speakers/kept", "recordings": "ingest/audio"},
        "speaker",
        "language",
        "transcripts-file",
        "models",
        backend="asr-backend",
    )
    with dag:
        waits = f"{NOT_REVIEWED} && {WANTS_PROOFREADING}"
        Task(name="proofread", template="proofread", depends="transcribe", when=waits)
    chain.task(
        apply_review,
        {"sliced": "slice/clips", "heard": "transcribe/transcripts", "levelled": "normalize/levelled"},
        "speaker",
        given_review="review",
        on_review_timeout="on-review-timeout",
        after="proofread",
        gives={
            "proofreading": "{{tasks.proofread.status}}",
            "review": "{{tasks.proofread.outputs.parameters.review}}",
        },
    )
    spoken = {"clips": "apply-review/clips", "transcripts": "apply-review/transcripts"}
    chain.task(format_dataset, spoken, "models", "version", "lexicon")
    shared = ("models", "version", "seed", "precision")
    dataset = {"dataset": "format/dataset"}
    chain.task(train_sovits, dataset, *shared, epochs="sovits-epochs", batch_size="sovits-batch-size")
    chain.task(train_gpt, dataset, *shared, epochs="gpt-epochs", batch_size="gpt-batch-size")
    trained = spoken | dataset | {"sovits": "train-sovits/weights", "gpt": "train-gpt/weights"}
    chain.task(evaluate, trained, "models", "seed", backend="asr-backend")
    published = trained | {"evaluation": "evaluate/evaluation", "recordings": "ingest/audio"}
    chain.task(
        *(publish, published, "speaker", "models", "registry"),
        below={"ledgers": "ledgers"},
        export="export-reference",
    )
    chain.task(synthesize, {"voice": "publish/voice"}, "models", "text", "language", "lexicon", "seed")

    dag.outputs = [
        Artifact(name="voice", from_=reference("publish/voice")),
        Artifact(name="speech", from_=reference("synthesize/speech")),
    ]

    Suspend(
        name="proofread",
        duration="{{workflow.parameters.proofread-limit}}",
        outputs=[
            Parameter(name=name, value_from=ValueFrom(supplied=SuppliedValueFrom(), default="")) for name in APPROVAL
        ],
    )
    workflow.on_exit = chain.exit_handler(
        report,
        {
            "ledgers": "ledgers",
            "audio": "ingest/audio",
            "vocals": "separate/vocals",
            "measures": "assess-quality/measures",
            "dereverbed": "dereverb/dereverbed",
            "denoised": "denoise/denoised",
            "levelled": "normalize/levelled",
            "clips": "slice/clips",
            "transcripts": "transcribe/transcripts",
            "sovits": "train-sovits/weights",
            "gpt": "train-gpt/weights",
            "evaluation": "evaluate/evaluation",
            "voice": "publish/voice",
            "speech": "synthesize/speech",
        },
        run_speaker="{{workflow.parameters.speaker}}",
        run_status="{{workflow.status}}",
        run_parameters="{{workflow.parameters}}",
    )
    # One for all stages, whose own defaults differ.
    chain.parameters["seed"].value, chain.parameters["language"].value = "1234", "auto"
    workflow.arguments = [
        *chain.parameters.values(),
        Parameter(
            name="proofread",
            value="never",
            enum=["never", "auto", "always"],
            description="Wait for a person before training: never, when a transcript is flagged (auto), or always.",
        ),
        Parameter(
            name="proofread-limit",
            value="",
            description="How long to wait for that person, such as 48h; forever if empty.",
        ),
    ]
