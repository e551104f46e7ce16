"""clone-voice: recordings of one speaker in, a published voice and spoken lines out.

voicemill run clone-voice -p speaker=anna -p source=recordings/anna -p models=models --out runs/anna
argo submit --from workflowtemplate/clone-voice -p speaker=anna -p source=s3://bucket/anna -p models=/models
"""

from hera.workflows import DAG, Artifact, Parameter, Suspend, Task, WorkflowTemplate
from hera.workflows.models import SuppliedValueFrom, ValueFrom

from voicemill.stages.apply_review import apply_review
from voicemill.stages.assess_quality import assess_quality
from voicemill.stages.denoise import denoise
from voicemill.stages.dereverb import dereverb
from voicemill.stages.evaluate import evaluate
from voicemill.stages.format import format_dataset
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

WANTS_PROOFREADING = (
    "({{workflow.parameters.proofread}} == always"
    " || ({{workflow.parameters.proofread}} == auto && {{tasks.transcribe.outputs.parameters.flagged}} > 0))"
)
# An expression reads the path as a value; in quotes, an apostrophe in it would end the text.
NOT_REVIEWED = "{{=workflow.parameters.review == ''}}"
APPROVAL = ("reviewer", "review", "kept", "edited", "dropped")

with WorkflowTemplate(
    name="clone-voice",
    entrypoint="clone-voice",
    annotations={"voicemill.dev/exports": "report=report.html"},
) as workflow:
    dag = DAG(name="clone-voice")
    chain = Chain(dag)

    chain.task(ingest, None, "source", "min-minutes", "consent", "track")
    chain.task(separate, {"audio": "ingest/audio"}, "models", model="separation-model")
    chain.task(assess_quality, {"audio": "separate/vocals"}, "dereverb", "denoise")
    cleaned = {"audio": "separate/vocals", "measures": "assess-quality/measures"}
    chain.task(dereverb, cleaned, "models", when="{{tasks.assess-quality.outputs.parameters.dereverb}} > 0")
    cleaned |= {"dereverbed": "dereverb/dereverbed"}
    chain.task(denoise, cleaned, "models", when="{{tasks.assess-quality.outputs.parameters.denoise}} > 0")
    chain.task(
        normalize,
        {"audio": "separate/vocals", "dereverbed": "dereverb/dereverbed", "denoised": "denoise/denoised"},
        target="peak-dbfs",
    )
    chain.task(slice_clips, {"audio": "normalize/levelled"}, "max-seconds")
    chain.task(
        transcribe,
        {"clips": "slice/clips", "recordings": "ingest/audio"},
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
    chain.task(format_dataset, spoken, "models", "version", "lexicon", "polyphone-model")
    chain.task(
        train_sovits,
        {"dataset": "format/dataset"},
        "models",
        "version",
        "seed",
        "precision",
        "deterministic",
        validation_fraction="validation",
        epochs="sovits-epochs",
        batch_size="sovits-batch-size",
        learning_rate="sovits-learning-rate",
        learning_rate_decay="sovits-learning-rate-decay",
        segment_seconds="sovits-crop",
        mel_resolutions="sovits-mel-scales",
        content_loss_weight="sovits-content-weight",
        adversarial_on_prior="sovits-copies-judged",
        ema_steps="sovits-averaged-steps",
        text_learning_rate_scale="sovits-text-learning-rate-scale",
        save_every="sovits-save-every",
        patience="sovits-patience",
        gradient_checkpointing="gradient-checkpointing",
    )
    chain.task(
        train_gpt,
        {"dataset": "format/dataset"},
        "models",
        "version",
        "seed",
        "precision",
        "deterministic",
        validation_fraction="validation",
        epochs="gpt-epochs",
        batch_size="gpt-batch-size",
        learning_rate="gpt-learning-rate",
        save_every="gpt-save-every",
        patience="gpt-patience",
        gradient_checkpointing="gradient-checkpointing",
        dpo="gpt-dpo",
    )
    trained = spoken | {
        "dataset": "format/dataset",
        "sovits": "train-sovits/weights",
        "gpt": "train-gpt/weights",
    }
    sampling = ("top-k", "top-p", "temperature", "repetition-penalty", "beams", "cut", "prompted")
    chain.task(evaluate, trained, "models", "seed", *sampling, backend="asr-backend", lines="evaluation-lines")
    published = trained | {"evaluation": "evaluate/evaluation", "recordings": "ingest/audio"}
    chain.task(publish, published, "speaker", "models", "registry", export="export-reference")
    chain.task(synthesize, {"voice": "publish/voice"}, "models", "text", "language", "lexicon", "seed", *sampling)

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
