"""How SoVITS is trained: the knobs of `train-sovits`, each declared here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

Trainable = Literal["all", "prior", "vocoder"]

_FRAMES_PER_SECOND = 50


@dataclass(frozen=True, kw_only=True)
class SovitsRecipe:
    """How to train; the defaults are GPT-SoVITS's for fine-tuning."""

    epochs: Annotated[int, Ge(1)] = 8
    """Passes over the clips; few clips are repeated several times within an epoch."""

    min_clips_per_epoch: Annotated[int, Ge(1)] = 100
    """Fewer clips than this are repeated within an epoch, at least twice, until there are about as many; 1 repeats
    none."""

    batch_size: Annotated[int, Ge(1)] = 4
    """Clips per optimizer step; how many go through the models at once follows from the GPU's memory."""

    save_every: Annotated[int, Ge(1)] = 4
    """Epochs between two weights files; the last epoch is always saved."""

    patience: Annotated[int, Ge(0)] = 0
    """Stop after this many epochs without a better validation loss, and keep the best epoch; 0 never stops early."""

    learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-4
    """Learning rate of AdamW."""

    text_learning_rate_scale: Annotated[float, Ge(0)] = 0.4
    """Factor on the learning rate of the text embedding, the text encoder and the text fusion."""

    learning_rate_decay: Annotated[float, Gt(0), Le(1)] = 0.999875
    """Factor on the learning rates after each epoch, and once before the first."""

    discriminator_start_step: Annotated[int, Ge(0)] = 0
    """First step with the discriminator. A base trained from scratch learns to speak sooner from the mel loss alone, in
    half the time per step; the discriminator then makes the sound clear."""

    mel_resolutions: Annotated[int, Ge(1), Le(4)] = 1
    """Number of spectrograms whose mel losses are averaged, each with windows half as long as the one before; more than
    one resolves the consonants that 64 ms blur, for a base trained from scratch."""

    segment_seconds: Annotated[float, Ge(0)] = 0.0
    """Seconds of a clip to train on at a time, from a place that is drawn for each epoch, at least 0.7; 0 takes whole
    clips. The vocoder is given 0.64 s of a clip however long it is, so short segments train it sooner."""

    mel_weight: Annotated[float, Ge(0)] = 45.0
    """Weight of the mel loss."""

    kl_weight: Annotated[float, Gt(0)] = 1.0
    """Weight of the KL loss; a lower one lets the latent frames hold more than tokens and text can predict."""

    content_loss_weight: Annotated[float, Ge(0)] = 0.0
    """Weight of the distance between the content encoder's features of generated and of recorded speech, generated from
    the posterior and from tokens and text; 0 leaves it out. Speech from tokens and text is what will be spoken, and has
    no recorded spectrogram that another loss could compare it with."""

    adversarial_on_prior: bool = False
    """Also show the discriminator speech generated from tokens and text (the prior), as synthesis makes it; only where
    `trainable` is all."""

    ema_steps: Annotated[int, Ge(0)] = 0
    """Keep a moving average (EMA) of the weights over this many steps, best a few epochs' worth, instead of the last
    weights; 0 keeps the last."""

    trainable: Trainable = "all"
    """Parts of the model that are trained: all; the prior (text encoder and flow, from the KL loss alone, a fifth of a
    step's price), for a base that is given other tokens; or the vocoder with its discriminator, for a base that is to
    sound better."""

    lora_rank: Annotated[int, Ge(1), Le(1024)] = 32
    """Rank of the LoRA that is trained of v3 and v4: 16, 32, 64 or 128 in GPT-SoVITS. Other versions are trained whole.
    """

    seed: Annotated[int, Ge(0), Lt(2**32)] = 1234
    """Seed of the order of clips, of segments, of noise and of dropout."""

    @property
    def segment_frames(self) -> int:
        """Spectrogram frames of a segment, two for each frame of the content encoder; 0 for whole clips."""
        return 2 * round(self.segment_seconds * _FRAMES_PER_SECOND / 2)
