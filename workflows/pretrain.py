"""pretrain: a small base of one's own, from synthetic speech: content encoder, codebook, SoVITS, token model.

voicemill run pretrain -p destination=models/small --out runs/pretrain
argo submit --from workflowtemplate/pretrain -p destination=s3:///models-small

With `start` it resumes from another base instead, in the terms of its content encoder and codebook; with `sovits-start`
from its SoVITS alone.
"""

from hera.workflows import DAG

from voicemill.stages.format import format_dataset
from voicemill.stages.init_base import init_base
from voicemill.stages.make_corpus import make_corpus
from voicemill.stages.package_base import package_base
from voicemill.stages.train_content_encoder import train_content_encoder
from voicemill.stages.train_gpt import train_gpt
from voicemill.stages.train_sovits import train_sovits
from voicemill.workflows.chain import Chain
from voicemill.workflows.policy import workflow_template

FRESH = "{{workflow.parameters.destination}}/fresh"
# A base that knows nothing learns otherwise than one that is tuned.
DEFAULTS = {
    "sovits-epochs": "60",
    "sovits-batch-size": "16",
    "sovits-segment-seconds": "1.0",
    "sovits-learning-rate": "0.0006",
    "sovits-learning-rate-decay": "0.97",
    "sovits-discriminator-start-step": "1500",
    "sovits-mel-resolutions": "3",
    "gpt-epochs": "40",
    "gpt-batch-size": "2",
    "gpt-max-concat-clips": "3",
    "gpt-learning-rate": "0.005",
    "gpt-guided-attention-weight": "1.0",
    "save-every": "5",
}

with workflow_template("pretrain", entrypoint="main") as workflow:
    chain = Chain(DAG(name="main"), keys="pretrain/{{workflow.name}}")
    chain.task(make_corpus, None, "minutes", "speakers", "corpus-seed", "texts")
    speech = {"clips": "make-corpus/clips", "transcripts": "make-corpus/transcripts"}
    chain.task(
        train_content_encoder,
        speech,
        "start",
        "seed",
        "precision",
        epochs="encoder-epochs",
        batch_size="encoder-batch-size",
        learning_rate="encoder-learning-rate",
        layers="encoder-layers",
    )
    encoded = {"encoder": "train-content-encoder/encoder"}
    chain.task(
        init_base,
        encoded | {"clips": "make-corpus/clips"},
        "start",
        "sovits-start",
        "widen-vocoder",
        "codes",
        "codebook-clips",
        "seed",
        gives={"destination": FRESH},
    )
    chain.task(format_dataset, speech, after="init-base", gives={"models": FRESH, "version": "v2"})
    chain.task(
        train_sovits,
        {"dataset": "format/dataset"},
        "seed",
        "precision",
        "save-every",
        epochs="sovits-epochs",
        batch_size="sovits-batch-size",
        learning_rate="sovits-learning-rate",
        learning_rate_decay="sovits-learning-rate-decay",
        discriminator_start_step="sovits-discriminator-start-step",
        mel_resolutions="sovits-mel-resolutions",
        segment_seconds="sovits-segment-seconds",
        kl_weight="sovits-kl-weight",
        content_loss_weight="sovits-content-loss-weight",
        adversarial_on_prior="sovits-adversarial-on-prior",
        ema_steps="sovits-ema-steps",
        gives={"models": FRESH, "text-learning-rate-scale": "1", "export-base": "true"},
    )
    chain.task(
        train_gpt,
        {"dataset": "format/dataset"},
        "seed",
        "precision",
        "save-every",
        epochs="gpt-epochs",
        batch_size="gpt-batch-size",
        learning_rate="gpt-learning-rate",
        learning_rate_decay="gpt-learning-rate-decay",
        max_concat_clips="gpt-max-concat-clips",
        dropout="gpt-dropout",
        guided_attention_weight="gpt-guided-attention-weight",
        gives={"models": FRESH},
    )
    trained = {"sovits": "train-sovits/weights", "gpt": "train-gpt/weights"}
    chain.task(package_base, encoded | trained, "destination", "defaults")
    for name, value in DEFAULTS.items():
        chain.parameters[name].value = value
    workflow.arguments = list(chain.parameters.values())
