"""Golden cases of SoVITS: models, losses, training steps, checkpoints, spectrograms, the training data's rules."""

from __future__ import annotations

import dataclasses
import lzma
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voicemill.core.digests import content_digest, file_digest
from voicemill.gpt_sovits.features.spectrogram import HOP, linear_spectrogram, mel_of_linear, mel_spectrogram
from voicemill.gpt_sovits.formats import checkpoints, gpt_sovits_files, pickle_writer
from voicemill.gpt_sovits.sovits import data, losses
from voicemill.gpt_sovits.sovits.config import SEGMENT_FRAMES, SovitsConfig
from voicemill.gpt_sovits.sovits.data import Batch
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.layers import cut_segments
from voicemill.gpt_sovits.sovits.model import Generator, TrainingOutput
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import BETAS, EPS, Losses, Trainer
from voicemill.gpt_sovits.training.run_state import Precision
from voicemill.parity.runner import Case, covers


def tensors(weights: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in weights.items()}


def generator(case: Case) -> Generator:
    model = Generator(SovitsConfig.read(case.config["model"], case.config["version"]))
    model.load_state_dict(tensors(case.weights()[0]))
    return model


def without_dropout(model: nn.Module) -> nn.Module:
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model


def inputs(case: Case) -> dict[str, Any]:
    return {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in case.inputs.items()}


def references(given: dict[str, Any]) -> tuple[list[Tensor], list[Tensor] | None]:
    count = sum(name.startswith("refer") for name in given)
    vectors = [given[f"sv_emb{i}"] for i in range(count)] if "sv_emb0" in given else None
    return [given[f"refer{i}"] for i in range(count)], vectors


@covers("A_s2", "*_extract_latent_*")
def extract_latent(case: Case) -> None:
    case.check("codes", generator(case).eval().extract_codes(inputs(case)["ssl"]))


@covers("A_s2", "*_decode*")
def decode(case: Case) -> None:
    given = inputs(case)
    model = generator(case).for_inference()
    spectrograms, vectors = references(given)
    noise = given.get("noise")
    if "m_p" in case.output_names:
        g = model.reference(spectrograms, vectors)
        case.check("ge_to_enc_p", model.for_text(g))
        m, logs, mask = model.prior(given["codes"], given["text"], g, given["speed"])
        case.check("m_p", m)
        case.check("logs_p", logs)
        case.check("y_mask", mask)
        assert noise is not None
        case.check("z", model.flow.reverse(m + noise * logs.exp() * given["noise_scale"], mask, g))
    case.check(
        "wav",
        model.decode(
            given["codes"], given["text"], spectrograms, given["noise_scale"], given["speed"], vectors, noise=noise
        ),
    )


def batch_of(case: Case) -> Batch:
    given = inputs(case)
    return Batch(
        given["ssl"],
        given["spec"],
        given["spec_lengths"],
        given["wav"],
        given["text"],
        given["text_lengths"],
        given.get("sv_emb"),
    )


@covers("A_s2", "*_train_forward_*")
def train_forward(case: Case) -> None:
    given, batch = inputs(case), batch_of(case)
    model = generator(case)
    without_dropout(model).train()
    out: TrainingOutput = model(*batch.for_generator(), noise_BCT=given["enc_q_noise"], places_B=given["slice_rand01"])
    mel = cut_segments(mel_of_linear(batch.spec_BFT), out.starts_B, SEGMENT_FRAMES)
    made_mel = mel_spectrogram(out.wav_B1L.squeeze(1))
    kl = losses.kl_sum(out.z_p_BCT, out.logs_q_BCT, out.m_p_BCT, out.logs_p_BCT, out.mask_B1T) / out.mask_B1T.sum()
    got = {
        "y_hat": out.wav_B1L,
        "kl_ssl": out.commit_loss.reshape(1),
        "ids_slice": out.starts_B,
        "z_mask": out.mask_B1T,
        "z": out.z_BCT,
        "z_p": out.z_p_BCT,
        "m_p": out.m_p_BCT,
        "logs_p": out.logs_p_BCT,
        "m_q": out.m_q_BCT,
        "logs_q": out.logs_q_BCT,
        "y_mel_slice": mel,
        "y_hat_mel": made_mel,
        "wav_slice": cut_segments(batch.wav_B1L, out.starts_B * HOP, SEGMENT_FRAMES * HOP),
        "loss_kl": kl.reshape(1),
        "loss_mel_l1": nn.functional.l1_loss(mel, made_mel).reshape(1),
        "quantized_mean": out.quantized_BCT.mean().reshape(1),
        "quantized_head": out.quantized_BCT[:, :8, :8],
        "cluster_size_after": model.codebook.cluster_size,
        "embed_after_head": model.codebook.embed[:16, :16],
        "embed_after_absmean": model.codebook.embed.abs().mean().reshape(1),
    }
    for name in case.output_names:
        case.check(name, got[name])


@covers("A_s2", "D_*")
def discriminate(case: Case) -> None:
    given = inputs(case)
    model = Discriminator(case.config["periods"])
    model.load_state_dict(tensors(case.weights()[0]))
    with torch.no_grad():
        real, fake = model(given["y"]), model(given["y_hat"])
    judged = losses.discriminator_losses(real, fake)
    adversarial = losses.adversarial_losses(fake)
    features = [feature for _, of_one in fake for feature in of_one]
    got: dict[str, Any] = {
        "loss_disc": torch.stack(judged).sum().reshape(1),
        "losses_disc_r": [float(x) for x in judged[: len(real)]],
        "losses_disc_g": [float(x) for x in judged[len(real) :]],
        "loss_gen": torch.stack(adversarial).sum().reshape(1),
        "losses_gen": [float(x) for x in adversarial],
        "loss_fm": losses.feature_loss(real, fake).reshape(1),
        "fmap_fake_absmean": [float(x.abs().mean()) for x in features],
        "fmap_fake_shapes": [list(x.shape) for x in features],
    }
    for i, ((score_real, _), (score_fake, _)) in enumerate(zip(real, fake, strict=True)):
        got[f"score_real_{i}"], got[f"score_fake_{i}"] = score_real, score_fake
    for name in case.output_names:
        case.check(name, got[name])


@covers("A_s2", "*_train_3steps")
def train_steps(case: Case) -> None:
    hps, given = case.config["hps"], inputs(case)
    batch = batch_of(case.other(case.inputs["batch_case"]))
    model = generator(case)
    discriminator = Discriminator(model.config.discriminator_periods)
    discriminator.load_state_dict(tensors(case.weights()[1]))
    without_dropout(model)
    recipe = SovitsRecipe(
        learning_rate=hps["learning_rate"],
        text_learning_rate_scale=hps["text_low_lr_rate"],
        learning_rate_decay=hps["lr_decay"],
        mel_weight=hps["c_mel"],
        kl_weight=hps["c_kl"],
    )
    assert (tuple(hps["betas"]), hps["eps"]) == (BETAS, EPS), "AdamW has other settings upstream"
    trainer = Trainer(model, discriminator, recipe, Precision("fp32", torch.device("cpu")), micro_batch=len(batch))
    steps: list[Losses] = []
    rates = [group["lr"] for group in trainer.optimizer_g.param_groups]
    for noise, places in zip(given["noise_steps"], given["rand01_steps"], strict=True):
        steps.append(trainer.step(batch, noise, places))
    trainer.end_epoch()
    got: dict[str, Any] = {
        "loss_disc": [s.discriminator for s in steps],
        "loss_gen": [s.adversarial for s in steps],
        "loss_fm": [s.features for s in steps],
        "loss_mel": [s.mel for s in steps],
        "kl_ssl": [s.commit for s in steps],
        "loss_kl": [s.kl for s in steps],
        "loss_gen_all": [s.generator for s in steps],
        "grad_norm_d": [s.gradient_d for s in steps],
        "grad_norm_g": [s.gradient_g for s in steps],
        "lr_groups_during": rates,
        "lr_groups_after_epoch": [group["lr"] for group in trainer.optimizer_g.param_groups],
        "G_sum_all": float(sum(p.detach().double().sum() for p in model.parameters())),
        "params_without_grad": sorted(name for name, p in model.named_parameters() if p.grad is None),
    }
    states = {"G": dict(model.named_parameters()), "D": dict(discriminator.named_parameters())}
    for name in case.output_names:
        if name in got:
            case.check(name, got[name])
            continue
        which, key = name.split(".", 1)
        head = states[which][key].detach().flatten()[:64].numpy()
        case.check(name, head)
        # Three steps move a weight by 3e-4. Where gradients are small Adam makes much of their rounding, which differs
        # between processors: 4e-6 with AVX2, below 2e-6 with AVX-512.
        assert np.median(np.abs(head - case.expected(name))) < 1e-5, f"{case.name}.{name}: median difference"


@covers("C_ckpt", "savee_*")
def read_sovits(case: Case) -> None:
    given = inputs(case)
    packed = case.path(given["checkpoint_xz"]).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "theirs.pth")
        path.write_bytes(lzma.decompress(packed))
        case.check("size", path.stat().st_size)
        case.check("sha256", file_digest(path))
        case.check("first_bytes", path.read_bytes()[:4].hex())
        loaded = checkpoints.load_sovits(path)
        config = case.config["hps"]
        assert loaded.version == case.config["version"], loaded.version
        assert loaded.hps == config, "configuration"
        raw = gpt_sovits_files.read_reference_file(path)
        case.check("top_keys", list(raw))
        case.check("info", raw["info"])
        case.check("n_weight_keys", len(raw["weight"]))
        case.check("weight_key_sha256", content_digest("\n".join(raw["weight"])))
        case.check("weight_dtypes", sorted({str(w.dtype) for w in raw["weight"].values()}))
        case.check("has_enc_q", any("enc_q" in key for key in raw["weight"]))
        case.check("text_embedding_rows", raw["weight"]["enc_p.text_embedding.weight"].shape[0])
        check_weights(case, loaded.weights)
        spectrograms, vectors = references(given)
        vectors = vectors if loaded.config.is_pro else None
        model = checkpoints.build_generator(loaded)
        wav = model.decode(given["codes"], given["text"], spectrograms, given["noise_scale"], given["speed"], vectors)
        case.check("wav", wav)
        check_export(case, loaded, Path(folder, "ours.pth"))


def check_weights(case: Case, weights: dict[str, Tensor]) -> None:
    """What was read is the recipe's weights, rounded to half precision, without the posterior encoder."""
    expected = {key: value.astype(np.float16) for key, value in case.weights()[0].items() if "enc_q" not in key}
    assert set(weights) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(weights[key].numpy().astype(np.float16), value, err_msg=key)


def check_export(case: Case, loaded: checkpoints.SovitsCheckpoint, path: Path) -> None:
    """A file that we write has the same opening bytes and reads back equal."""
    checkpoints.export_sovits(path, loaded)
    case.check("first_bytes", path.read_bytes()[:4].hex())
    again = checkpoints.load_sovits(path)
    raw = gpt_sovits_files.read_reference_file(path)
    case.check("config_type", f"{type(raw['config']).__module__}.{type(raw['config']).__qualname__}")
    case.check("info", raw["info"])
    assert (again.version, again.hps) == (loaded.version, loaded.hps)
    assert all(torch.equal(again.weights[key], loaded.weights[key]) for key in loaded.weights)


@covers("C_ckpt", "s1_ckpt")
def read_gpt(case: Case) -> None:
    packed = case.path(case.inputs["checkpoint_xz"]).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "theirs.ckpt")
        path.write_bytes(lzma.decompress(packed))
        case.check("first_bytes", path.read_bytes()[:4].hex())
        case.check("size", path.stat().st_size)
        case.check("sha256", file_digest(path))
        for source in (path, Path(folder, "ours.ckpt")):
            raw = gpt_sovits_files.read_reference_file(source)
            case.check("top_keys", list(raw))
            case.check("keys", {key: [list(w.shape), str(w.dtype)] for key, w in raw["weight"].items()})
            case.check("config", raw["config"])
            case.check("info", raw["info"])
            loaded = checkpoints.load_gpt(source)
            assert (loaded.hps, loaded.info) == (case.expected("config"), case.expected("info"))
            case.check("bert_proj_head", loaded.weights["bert_proj.weight"].flatten()[:16].float())
            checkpoints.export_gpt(Path(folder, "ours.ckpt"), loaded)


@covers("C_ckpt", "header_bytes")
def header_bytes(case: Case) -> None:
    case.check("head2version", {head: list(kind) for head, kind in gpt_sovits_files.HEADERS.items()})
    published = {digest: list(kind) for digest, kind in gpt_sovits_files.PUBLISHED.items()}
    case.check("pretrained_md5_of_first_8192_bytes", published)
    got = {}
    for version, expected in case.expected("headers").items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "made.pth")
            pickle_writer.write_reference_file(
                path, {"weight": {}, "config": {}, "info": ""}, expected["first_two_bytes"]
            )
            opening = path.read_bytes()[:4]
            kind = gpt_sovits_files.kind_by_header(path)
            assert kind is not None
            got[version] = {
                "first_two_bytes": opening[:2].decode(),
                "third_fourth": opening[2:].hex(),
                "detected": list(kind),
                "loads": list(gpt_sovits_files.read_reference_file(path)) == ["weight", "config", "info"],
            }
    case.check("headers", got)


@covers("E_audio", "spectrogram*")
def spectrogram(case: Case) -> None:
    case.check("spec", linear_spectrogram(inputs(case)["audio"]))


# In a band that is all but silent the logarithm makes much of what processors round differently: on one of them an
# element of 6400 near a log of -9 lies 7e-4 off. The fixtures' README allows up to this factor on another processor.
QUIET_BANDS = 20.0


@covers("E_audio", "mel_s2")
def mel(case: Case) -> None:
    audio = inputs(case)["audio"]
    case.check("mel", mel_spectrogram(audio), slack=QUIET_BANDS)
    case.check("mel_from_spec", mel_of_linear(linear_spectrogram(audio)), slack=QUIET_BANDS)


@covers("E_audio", "mel_v3_v4")
def mel_of_later_versions(case: Case) -> None:
    given = inputs(case)
    later = {
        "mel_v3": mel_spectrogram(given["audio24"], n_fft=1024, hop=256, bands=100, rate=24000),
        "mel_v4": mel_spectrogram(given["audio32"], n_fft=1280, hop=320, bands=100, rate=32000),
    }
    for name, got in later.items():
        case.check(name, got, slack=QUIET_BANDS)


def make_dataset(folder: Path, case: Case) -> None:
    """The folder that the case describes: a tone for each duration, features one frame shorter than its spectrogram."""
    import soundfile

    for name in ("4-cnhubert", "5-wav32k", "7-sv_cn"):
        (folder / name).mkdir()
    (folder / "2-name2text.txt").write_text("\n".join(case.inputs["name2text_lines"]) + "\n", encoding="utf-8")
    for name, seconds in case.inputs["durations_sec"].items():
        samples = round(seconds * 32000)
        wav = folder / "5-wav32k" / name
        if samples:
            soundfile.write(wav, 0.1 * np.sin(np.arange(samples) / 20).astype(np.float32), 32000, subtype="PCM_16")
        else:
            wav.write_bytes(b"")
        frames = case.expected("u05_ssl_frames_vs_spec")[0] if name == "u05.wav" else max(1, samples // 640)
        torch.save(torch.zeros(1, 768, frames), folder / "4-cnhubert" / f"{name}.pt")
        torch.save(torch.zeros(1, 20480), folder / "7-sv_cn" / f"{name}.pt")


@covers("E_audio", "s2_dataset_*")
def dataset(case: Case) -> None:
    version = case.id.removeprefix("s2_dataset_")
    symbols = {phone: i for i, phone in enumerate(["n", "i3", "h", "ao3", "."])}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_dataset(folder, case)
        found = data.find_items(folder, lambda phones: [symbols[p] for p in phones], speaker_vectors=version != "v2")
        case.check("kept", [item.name for item in found.items])
        case.check("n_items", len(found.items) * found.repeats)
        case.check("lengths", {item.name: item.frames for item in found.items})
        by_name = {item.name: item for item in found.items}
        examples = [data.load(by_name[name]) for name in case.inputs["collate_items"]]
        fields = [[f for f in dataclasses.astuple(e) if f is not None] for e in examples]
        case.check("item_shapes", [[list(f.shape) for f in of_one] for of_one in fields])
        batch = data.collate(examples)
        n = len(examples)
        wav_lengths = sorted((e.wav_1L.shape[1] for e in examples), reverse=True)
        shapes = [batch.ssl_BCT, None, batch.spec_BFT, None, batch.wav_B1L, None, batch.phones_BP, None]
        shapes += [batch.speaker_vectors_BS] if batch.speaker_vectors_BS is not None else []
        case.check("batch_shapes", [[n] if x is None else list(x.shape) for x in shapes])
        case.check("spec_lengths", batch.spec_lengths_B.tolist())
        case.check("ssl_lengths", batch.spec_lengths_B.tolist())
        case.check("wav_lengths", wav_lengths)
        case.check("text_lengths", batch.phone_lengths_B.tolist())
        u05 = data.load(by_name["u05.wav"])
        before = torch.load(folder / "4-cnhubert" / "u05.wav.pt").shape[-1]
        case.check("u05_ssl_frames_vs_spec", [before, u05.ssl_1CT.shape[-1], u05.spec_FT.shape[-1]])


@covers("E_audio", "s2_bucket_sampler")
def bucket_sampler(case: Case) -> None:
    given = case.inputs
    buckets, left = data.make_buckets(given["lengths"], given["boundaries"])
    size = given["batch_size"]
    case.check("buckets", buckets)
    case.check("boundaries_left", left)
    case.check("num_samples_per_bucket", [-(-len(bucket) // size) * size for bucket in buckets])

    def order(epoch: int, rank: int = 0, replicas: int = 1) -> list[list[int]]:
        return data.batches(buckets, size, epoch, rank, replicas)

    case.check("epochs", {epoch: order(int(epoch)) for epoch in case.expected("epochs")})
    case.check("len", len(order(1)))
    replicas = case.expected("two_replicas_epoch1")
    case.check("two_replicas_epoch1", {rank: order(1, int(rank), len(replicas)) for rank in replicas})
