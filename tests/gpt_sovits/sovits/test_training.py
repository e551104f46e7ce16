from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from voicemill.core.errors import OutOfGpuMemory
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.features.spectrogram import mel_spectrogram
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.sovits.config import SEGMENT_FRAMES
from voicemill.gpt_sovits.sovits.data import Batch
from voicemill.gpt_sovits.sovits.fine_tuning import start_models
from voicemill.gpt_sovits.sovits.layers import NormedConv2d, computed_once
from voicemill.gpt_sovits.sovits.losses import adversarial_losses, content_losses, finer_mel_losses
from voicemill.gpt_sovits.sovits.model import Generator, TrainingOutput
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe, Trainable
from voicemill.gpt_sovits.sovits.training import Diverged, Trainer
from voicemill.gpt_sovits.training.run_state import Precision
from voicemill.models import locate

FRAMES, PHONES = 50, 12


def batch(items: int = 4) -> Batch:
    torch.manual_seed(11)
    frames = torch.tensor([FRAMES, 48, 45, 40])[:items]
    wav = torch.randn(items, 1, FRAMES * 640) * 0.1
    spec = torch.rand(items, 1025, FRAMES)
    phones = torch.randint(0, 732, (items, PHONES))
    return Batch(torch.randn(items, 768, FRAMES), spec, frames, wav, phones, torch.full((items,), PHONES))


def trainer(models: Path, **options) -> Trainer:
    base = checkpoints.load_sovits(locate(models, "sovits-g"))
    discriminator = checkpoints.load_discriminator(locate(models, "sovits-d"))
    generator, discriminator = start_models(base, discriminator)
    for layer in generator.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return Trainer(generator, discriminator, SovitsRecipe(), Precision("fp32", torch.device("cpu")), **options)


def step(made: Trainer):
    torch.manual_seed(0)
    return made.step(batch())


def test_micro_batches_add_up_to_the_whole_batch(models: Path) -> None:
    whole, parts = trainer(models), trainer(models, micro_batch=3)
    want, got = step(whole), step(parts)
    for name, value in vars(want).items():
        assert getattr(got, name) == pytest.approx(value, rel=2e-4), name
    for module in ("generator", "discriminator"):
        other = dict(getattr(parts, module).named_parameters())
        for name, a in getattr(whole, module).named_parameters():
            # A key's bias moves all scores of a query alike: its gradient is rounding noise.
            if a.grad is not None and not name.endswith(("conv_k.bias", "w_ks.bias")):
                # A norm's gradient is a sum in which most cancels; on some processors 2e-3 of it is rounding.
                near = (5e-3 if name.endswith("weight_g") else 1e-3) * float(a.grad.abs().max())
                torch.testing.assert_close(other[name].grad, a.grad, rtol=1e-3, atol=near, msg=name)


def refuse_more_than(items: int):
    def hook(module: nn.Module, given: tuple) -> None:
        if len(given[0]) > items:
            raise torch.OutOfMemoryError("no memory for so many")

    return hook


def test_a_batch_that_does_not_fit_is_taken_in_halves(models: Path) -> None:
    said: list[str] = []
    plain, short = trainer(models), trainer(models, log=said.append)
    short.generator.register_forward_pre_hook(refuse_more_than(1))
    want, got = step(plain), step(short)
    assert short.micro_batch == 1 and len(said) == 2
    assert got.mel == pytest.approx(want.mel, rel=1e-4)


def test_memory_that_ends_between_the_two_updates_updates_the_discriminator_once(models: Path) -> None:
    plain, short = trainer(models), trainer(models)
    refuse = refuse_more_than(2)

    def only_when_judged(module: nn.Module, given: tuple) -> None:
        if not next(module.parameters()).requires_grad:
            refuse(module, given)

    short.discriminator.register_forward_pre_hook(only_when_judged)
    step(plain)
    step(short)
    assert short.micro_batch == 2
    for a, b in zip(plain.discriminator.parameters(), short.discriminator.parameters(), strict=True):
        torch.testing.assert_close(b, a)


def test_the_discriminator_is_judged_by_with_the_weights_it_has_just_learnt(models: Path) -> None:
    made = trainer(models)
    step(made)
    names = set(dict(made.discriminator.named_buffers()))
    assert not any("folded" in name for name in names)
    with torch.no_grad(), computed_once(made.discriminator):
        kept = [layer.weight for layer in made.discriminator.modules() if isinstance(layer, NormedConv2d)]
    again = [layer.weight for layer in made.discriminator.modules() if isinstance(layer, NormedConv2d)]
    assert kept and all(torch.equal(a, b) for a, b in zip(kept, again, strict=True))


def test_one_clip_that_does_not_fit_ends_with_its_own_error(models: Path) -> None:
    made = trainer(models)
    made.generator.register_forward_pre_hook(refuse_more_than(0))
    with pytest.raises(OutOfGpuMemory, match="max-seconds"):
        step(made)


def test_a_loss_that_is_no_number_is_not_learnt_from(models: Path) -> None:
    made = trainer(models)
    before = {name: value.clone() for name, value in made.generator.state_dict().items()}
    torch.manual_seed(0)
    poisoned = batch()
    poisoned.wav_B1L[:] = torch.nan
    with pytest.raises(Diverged, match="became nan"):
        made.step(poisoned)
    for name, value in made.generator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_text_parts_learn_more_slowly(models: Path) -> None:
    made = trainer(models)
    rates = [group["lr"] for group in made.optimizer_g.param_groups]
    assert rates == pytest.approx([1e-4 * 0.999875, *[0.4e-4 * 0.999875] * 3])
    grouped = sum(len(group["params"]) for group in made.optimizer_g.param_groups)
    assert grouped == len(list(made.generator.parameters()))


def test_nothing_judges_the_generator_before_its_time(models: Path) -> None:
    made = trainer(models)
    made.recipe = replace(made.recipe, discriminator_start_step=1)
    before = {name: weight.clone() for name, weight in made.discriminator.state_dict().items()}
    alone = step(made)
    assert alone.discriminator == alone.adversarial == alone.features == 0.0
    assert alone.generator == pytest.approx(alone.mel + alone.kl, rel=1e-6)
    assert all(torch.equal(weight, before[name]) for name, weight in made.discriminator.state_dict().items())
    resumed = trainer(models)
    resumed.recipe = made.recipe
    resumed.load_state_dict(made.state_dict())
    judged = step(resumed)
    assert judged.discriminator > 0 and judged.adversarial > 0 and judged.features > 0
    assert vars(judged) == vars(step(made))


def test_finer_mels_hear_what_a_long_window_blurs(models: Path) -> None:
    early, late = torch.zeros(1, 1, 20480), torch.zeros(1, 1, 20480)
    early[..., 9800::640], late[..., 10000::640] = 1.0, 1.0  # clicks 6 ms apart, 20 ms between two of them
    reference = F.l1_loss(*(mel_spectrogram(wav_B1L.squeeze(1)) for wav_B1L in (early, late)))
    finer, finest = finer_mel_losses(early, late, 2)
    assert reference < finer < finest
    assert finer_mel_losses(early, early, 2) == [0.0, 0.0]

    made, whole = trainer(models), trainer(models)
    made.recipe = replace(made.recipe, mel_resolutions=3)
    assert step(made).mel != pytest.approx(step(whole).mel, rel=1e-3)
    assert SovitsRecipe().mel_resolutions == 1


def test_the_prior_alone_learns_and_what_makes_sound_stays_as_it_is(models: Path) -> None:
    like = trainer(models)
    before = {name: value.clone() for name, value in like.generator.state_dict().items()}
    made = Trainer(like.generator, like.discriminator, replace(like.recipe, trainable="prior"), like.precision)
    found = [step(made) for _ in range(4)]
    assert found[-1].kl < found[0].kl and not any(losses.mel or losses.discriminator for losses in found)
    changed = {
        name.split(".")[0] for name, value in made.generator.state_dict().items() if not value.equal(before[name])
    }
    assert changed == {"enc_p", "flow"}


def test_the_vocoder_alone_learns_with_its_adversary_from_latents_that_stay(models: Path) -> None:
    whole, like = trainer(models), trainer(models)
    made = Trainer(like.generator, like.discriminator, replace(like.recipe, trainable="vocoder"), like.precision)
    before = {name: value.clone() for name, value in made.generator.state_dict().items()}
    want, first = step(whole), step(made)
    # It hears what it would hear in the whole training.
    assert first.discriminator == pytest.approx(want.discriminator, rel=1e-5)
    assert (first.mel, first.features) == pytest.approx((want.mel, want.features), rel=1e-5)
    assert first.kl == first.commit == 0.0
    assert step(made).mel < first.mel
    changed = {
        name.split(".")[0] for name, value in made.generator.state_dict().items() if not value.equal(before[name])
    }
    assert changed == {"dec"}


def listening(models: Path, weight: float = 20.0, **changes) -> Trainer:
    like, encoder = trainer(models), hubert.load(locate(models, "hubert"))
    recipe = replace(like.recipe, content_loss_weight=weight, **changes)
    return Trainer(like.generator, like.discriminator, recipe, like.precision, encoder=encoder)


def test_a_copy_in_training_is_what_the_voice_says_of_the_same_tokens(models: Path) -> None:
    generator = trainer(models).generator.eval()
    given = batch(2)
    ssl, spec, phones = given.ssl_BCT[..., :SEGMENT_FRAMES], given.spec_BFT[..., :SEGMENT_FRAMES], given.phones_BP
    noise = torch.randn(2, generator.config.inter_channels, SEGMENT_FRAMES)
    lengths = torch.full((2,), SEGMENT_FRAMES)
    with torch.no_grad():
        pass_ = generator(ssl, spec, lengths, phones, given.phone_lengths_B, noise_BCT=noise, copied=True)
        usual = generator(ssl, spec, lengths, phones, given.phone_lengths_B, noise_BCT=noise)
    torch.testing.assert_close(pass_.wav_B1L, usual.wav_B1L)
    for i in range(2):
        codes = generator.extract_codes(ssl[i : i + 1])
        said = generator.decode(codes, phones[i : i + 1], [spec[i : i + 1]], noise=noise[i : i + 1])
        torch.testing.assert_close(pass_.copy_B1L[i : i + 1], said, rtol=1e-4, atol=1e-5)


def test_the_content_encoder_hears_a_difference_and_none_in_the_same(models: Path) -> None:
    encoder = hubert.load(locate(models, "hubert"))
    torch.manual_seed(3)
    one, other = torch.randn(2, 2, 1, 20480).mul(0.1)
    same, different = content_losses(encoder, one, [one, other])
    assert same == 0.0 < different
    at_16k = one[0, :, ::2]
    torch.testing.assert_close(
        hubert.batch_features(encoder, at_16k, hubert.RATE).mT, hubert.features(encoder, at_16k[0])
    )


@pytest.mark.parametrize("trainable", ["all", "prior", "vocoder"])
def test_what_the_encoder_hears_teaches_the_part_that_learns(models: Path, trainable: Trainable) -> None:
    made = listening(models, trainable=trainable, learning_rate=1e-3, kl_weight=1e-3)
    encoder = made.encoder
    assert encoder is not None
    kept = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = [step(made) for _ in range(4)]
    assert 0 < found[-1].content < found[0].content
    weighted = ("adversarial", "features", "mel", "commit", "kl", "content")
    assert found[0].generator == pytest.approx(sum(getattr(found[0], name) for name in weighted), rel=1e-5)
    assert all(value.equal(kept[name]) for name, value in encoder.state_dict().items())
    halves = listening(models, trainable=trainable, learning_rate=1e-3, kl_weight=1e-3)
    halves.micro_batch = 2
    assert step(halves).content == pytest.approx(found[0].content, rel=1e-3)


def test_who_listens_needs_an_encoder(models: Path) -> None:
    like = trainer(models)
    with pytest.raises(ValueError, match="content encoder"):
        Trainer(like.generator, like.discriminator, replace(like.recipe, content_loss_weight=1.0), like.precision)


def loud_copies(generator: Generator) -> Callable[..., TrainingOutput]:
    """A toy's copies are as faint as the rest, and a toy discriminator says the same of both."""
    forward = generator.forward

    def louder(*given: Any, **options: Any) -> TrainingOutput:
        output = forward(*given, **options)
        return replace(output, copy_B1L=100 * output.copy_B1L)

    return louder


def test_copies_are_judged_as_the_rest_and_compared_with_nothing(models: Path) -> None:
    torch.manual_seed(0)
    given, like = batch(), trainer(models)
    # A fresh discriminator says the same of everything.
    keen = {name: value * (3 if "weight_g" in name else 1) for name, value in like.discriminator.state_dict().items()}
    like.discriminator.load_state_dict(keen)
    drawn = {"noise_BCT": torch.randn(4, like.generator.config.inter_channels, FRAMES), "places_B": torch.rand(4)}

    def still(judged: bool, micro_batch: int = 4) -> Trainer:
        like = trainer(models)
        like.discriminator.load_state_dict(keen)
        recipe = replace(like.recipe, adversarial_on_prior=judged)
        made = Trainer(like.generator, like.discriminator, recipe, like.precision, micro_batch)
        for group in made.optimizer_d.param_groups:
            group["lr"] = 0.0
        made.generator.forward = loud_copies(made.generator)
        return made

    with torch.no_grad():
        waves = loud_copies(like.generator.train())(*given.for_generator(), **drawn, copied=True)
        expected = torch.stack(adversarial_losses(like.discriminator(torch.cat([waves.wav_B1L, waves.copy_B1L]))))
    usual, judged, parts = (made.step(given, **drawn) for made in (still(False), still(True), still(True, 3)))
    assert judged.adversarial == pytest.approx(float(expected.sum()), rel=1e-4)
    assert judged.adversarial != pytest.approx(usual.adversarial, rel=1e-3)
    assert judged.discriminator != pytest.approx(usual.discriminator, rel=1e-3)
    assert (judged.mel, judged.features, judged.kl) == pytest.approx((usual.mel, usual.features, usual.kl), rel=1e-5)
    assert vars(parts) == pytest.approx(vars(judged), rel=2e-3)


def test_what_is_kept_is_the_mean_of_the_last_steps(models: Path) -> None:
    like, usual = trainer(models), trainer(models)
    made = Trainer(like.generator, like.discriminator, replace(like.recipe, ema_steps=2), like.precision)
    weights = []
    for _ in range(3):
        assert vars(step(made)) == vars(step(usual))
        weights.append({name: value.clone() for name, value in made.generator.named_parameters()})
    first, second, third = weights
    assert any(not second[name].equal(third[name]) for name in third)
    kept = dict(made.ema_generator.named_parameters())
    for name, value in third.items():
        torch.testing.assert_close(kept[name], ((first[name] + second[name]) / 2 + value) / 2)
    assert dict(made.ema_generator.named_buffers()).keys() == dict(made.generator.named_buffers()).keys()
    assert usual.ema_generator is usual.generator
