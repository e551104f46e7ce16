"""Fresh small models to pretrain, in the places and formats of the public base weights.

A content encoder decides what the codebook holds; nothing else in it is learnt yet.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import HubertModel

from voicemill.audio.reading import read_mono
from voicemill.audio.resampling import resample
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.dataset import RATE, level
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.formats.checkpoints import (
    GptCheckpoint,
    SovitsCheckpoint,
    export_discriminator,
    export_gpt,
    export_sovits,
    load_discriminator,
    load_sovits,
)
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.models import locate
from voicemill.models.layout import place
from voicemill.models.placing import VERSION

DISCRIMINATOR_WIDTH = 128
GPT = GptConfig(embedding_dim=224, hidden_dim=224, head=7, n_layer=6)
FAR = 100.0
"""Where the codes lie that no frame may choose, when fewer are wanted than the format has."""


def configuration() -> dict[str, Any]:
    """Return the small SoVITS as the reference's `configs/s2.json` would say it.

    The width of the speaker embedding, and of what the 768 features pass through, cannot be less; all else is narrower.
    """
    return {
        "train": {"seed": 1234, "epochs": 100, "learning_rate": 0.0001, "betas": [0.8, 0.99], "eps": 1e-9}
        | {"batch_size": 16, "lr_decay": 0.999875, "segment_size": 20480, "c_mel": 45, "c_kl": 1.0}
        | {"text_low_lr_rate": 0.4},
        "data": {"max_wav_value": 32768.0, "sampling_rate": 32000, "filter_length": 2048, "hop_length": 640}
        | {"win_length": 2048, "n_mel_channels": 128, "mel_fmin": 0.0, "mel_fmax": None, "n_speakers": 300},
        "model": {
            "inter_channels": 96,
            "hidden_channels": 96,
            "filter_channels": 256,
            "n_heads": 2,
            "n_layers": 4,
            "kernel_size": 3,
            "p_dropout": 0.0,
            "resblock": "1",
            "resblock_kernel_sizes": [3, 7, 11],
            "resblock_dilation_sizes": [[1, 3, 9]] * 3,
            "upsample_rates": [10, 4, 4, 4],
            "upsample_initial_channel": 192,
            "upsample_kernel_sizes": [20, 8, 8, 8],
            "use_spectral_norm": False,
            "gin_channels": 512,
            "semantic_frame_rate": "25hz",
            "freeze_quantizer": True,
            "version": VERSION,
        },
    }


def token_features(model: HubertModel, clip: Path) -> Tensor:
    """Return the features of a clip as the codebook sees them, two frames averaged, `[N, 768]`.

    Args:
        model: The content encoder, from `hubert.load`.
        clip: Of speech.

    Raises:
        InputError: It cannot be read or is silent.
    """
    _, heard = level(read_mono(clip, RATE))
    ssl_CT = hubert.features(model, resample(heard, RATE, hubert.RATE))[0]
    return ssl_CT[:, : ssl_CT.shape[1] // 2 * 2].unflatten(1, (-1, 2)).mean(2).T


def cluster(features: Sequence[Tensor], codes: int, seed: int) -> tuple[Tensor, float]:
    """Centres of k-means, `[codes, 768]`, and the perplexity of their use: how many there would be if used alike.

    Raises:
        InputError: There are fewer frames than codes.
    """
    from sklearn.cluster import MiniBatchKMeans

    features_NC = torch.cat(list(features)).numpy()
    if len(features_NC) < codes:
        raise InputError(f"{len(features_NC)} tokens of speech are too few for a codebook of {codes} codes")
    means: Any = MiniBatchKMeans(codes, random_state=seed, batch_size=4096, n_init="auto", max_iter=60)
    means.fit(features_NC)
    share = np.bincount(means.labels_, minlength=codes) / len(features_NC)
    entropy = -(share * np.log(share, where=share > 0, out=np.zeros_like(share))).sum()
    return torch.from_numpy(means.cluster_centers_.astype(np.float32)), float(np.exp(entropy))


def make_models(models: Path, codes_KC: Tensor, seed: int) -> None:
    """Write a fresh generator with this codebook, a discriminator and a token model into a models folder.

    Two frames are averaged on their way to a code; codes beyond those given lie where no frame comes to.

    Args:
        models: The folder.
        codes_KC: From `cluster`, at most as many as the format has.
        seed: Of the weights.
    """
    hps = configuration()
    config = SovitsConfig.read(hps["model"], VERSION)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(config)
        discriminator = Discriminator(config.discriminator_periods, DISCRIMINATOR_WIDTH)
        gpt = Gpt(GPT)
    with torch.no_grad():
        average = torch.eye(codes_KC.shape[1]).unsqueeze(-1).expand(-1, -1, generator.token_frames)
        generator.ssl_proj.weight.copy_(average / generator.token_frames)
        assert generator.ssl_proj.bias is not None
        generator.ssl_proj.bias.zero_()
        book = generator.codebook
        book.embed.fill_(FAR)
        book.embed[: len(codes_KC)] = codes_KC
        book.embed_avg.copy_(book.embed)
        book.cluster_size.fill_(1.0)
    for name in ("sovits-g", "sovits-d", "gpt"):
        (models / place(name, VERSION)).parent.mkdir(parents=True, exist_ok=True)
    base = SovitsCheckpoint(config, generator.state_dict(), "fresh", hps)
    export_sovits(models / place("sovits-g", VERSION), base, as_base=True)
    export_discriminator(models / place("sovits-d", VERSION), discriminator.state_dict(), hps)
    train = {"seed": 1234, "epochs": 20, "batch_size": 8, "save_every_n_epoch": 1, "precision": "16-mixed"}
    hps_gpt = {"train": train, "optimizer": {"lr": 0.01}, **GPT.to_dict()}
    export_gpt(models / place("gpt", VERSION), GptCheckpoint(hps_gpt, gpt.state_dict(), "GPT-e0"))


def take_sovits(models: Path, other: Path) -> None:
    """Put another base's generator and discriminator into a models folder of `make_models`, which keeps its codebook.

    Args:
        models: The folder.
        other: Models folder with the other base.

    Raises:
        InputError: The other's SoVITS is of another size.
    """
    generator = locate(models, "sovits-g", VERSION)
    fresh, known = load_sovits(generator), load_sovits(locate(other, "sovits-g", VERSION))
    if fresh.config != known.config:
        raise InputError(f"the SoVITS of {other} is of another size than the one that is made here")
    own = ("ssl_proj.", "quantizer.")
    weights = known.weights | {name: tensor for name, tensor in fresh.weights.items() if name.startswith(own)}
    export_sovits(generator, replace(known, weights=weights), as_base=True)
    shutil.copyfile(locate(other, "sovits-d", VERSION), locate(models, "sovits-d", VERSION))


def widen_vocoder(models: Path, seed: int) -> None:
    """Give the vocoder of a base residual blocks of every kernel width that is made here, for each of its single width.

    It sounds as before. A discriminator narrower than the one that is made here gives way to a random one.

    Args:
        models: Models folder with the base, which is changed.
        seed: Of the discriminator.

    Raises:
        InputError: Its vocoder has several widths already, or other dilations.
    """
    generator, discriminator = (locate(models, name, VERSION) for name in ("sovits-g", "sovits-d"))
    known, made = load_sovits(generator), configuration()["model"]
    sizes = {name: made[name] for name in ("resblock_kernel_sizes", "resblock_dilation_sizes")}
    hps = {**known.hps, "model": {**known.hps["model"], **sizes}}
    config = SovitsConfig.read(hps["model"], VERSION)
    if len(known.config.resblock_kernel_sizes) > 1 or set(config.resblock_dilation_sizes) != set(
        known.config.resblock_dilation_sizes
    ):
        raise InputError("only a vocoder of one kernel width, with the dilations that are used here, can be widened")
    weights = widened(known.weights, config.resblock_kernel_sizes)
    export_sovits(generator, replace(known, config=config, weights=weights, hps=hps), as_base=True)
    if Discriminator.width_of(load_discriminator(discriminator)) < DISCRIMINATOR_WIDTH:
        export_discriminator(discriminator, _discriminator(config, seed).state_dict(), hps)


def widened(weights: dict[str, Tensor], sizes: Sequence[int]) -> dict[str, Tensor]:
    """SoVITS's weights whose vocoder has for each residual block one of each kernel width, and gives what it gave.

    A narrow kernel with zeros around it is a wide one, and the mean of equal blocks is one of them. The taps around it
    tell them apart from there on.

    Args:
        weights: With a vocoder of one kernel width.
        sizes: The new widths, none narrower; odd.
    """
    made = {}
    for name, tensor in weights.items():
        parts = name.split(".")
        if parts[:2] != ["dec", "resblocks"]:
            made[name] = tensor
            continue
        for number, size in enumerate(sizes):
            place = str(int(parts[2]) * len(sizes) + number)
            around = (size - tensor.shape[-1]) // 2 if name.endswith("weight_v") else 0
            made[".".join([*parts[:2], place, *parts[3:]])] = F.pad(tensor, (around, around))
    return made


def _discriminator(config: SovitsConfig, seed: int) -> Discriminator:
    """Return a random one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Discriminator(config.discriminator_periods, DISCRIMINATOR_WIDTH)
