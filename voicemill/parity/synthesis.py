"""The whole of text to speech on tiny models, and its parts (section F_glue), and the speaker encoder."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voicemill.gpt_sovits.features import bert, hubert
from voicemill.gpt_sovits.features import speaker_encoder as speaker_vectors
from voicemill.gpt_sovits.features.pretrained import quiet
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis import Options, Reference, Speech, waveform
from voicemill.gpt_sovits.synthesis.parts import Noise
from voicemill.gpt_sovits.synthesis.script import Quirks
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer
from voicemill.parity.fixtures import recipe_tensor
from voicemill.parity.runner import Case, covers


def tensors(weights: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {key: torch.tensor(value) for key, value in weights.items()}


def build_bert(config: dict, weights: dict[str, np.ndarray]) -> bert.Bert:
    """Return the case's BERT with its own vocabulary, through the folder form that users have."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast  # pyright: ignore[reportAttributeAccessIssue]

    vocabulary = config["vocab"]
    model = BertForMaskedLM(BertConfig(**{key: value for key, value in config.items() if key != "vocab"}))
    missing = model.load_state_dict(tensors(weights), strict=False)
    assert not missing.unexpected_keys, missing.unexpected_keys
    with tempfile.TemporaryDirectory() as folder:
        with quiet():
            model.save_pretrained(folder)
        BertTokenizerFast(vocab={word: number for number, word in enumerate(vocabulary)}).save_pretrained(folder)
        return bert.load(Path(folder))


def generator(case: Case) -> Generator:
    model = Generator(SovitsConfig.read(case.config["s2_model"], case.config["version"]))
    model.load_state_dict(tensors(case.weights()[0]), strict=False)
    return model


def build(
    case: Case,
    sovits: Generator | MelGenerator,
    weights: list[dict[str, np.ndarray]],
    noise: Noise,
    quirks: Quirks,
) -> Synthesizer:
    """Return a synthesizer with the case's models; `weights` are those of the models besides SoVITS."""
    from transformers import HubertConfig, HubertModel

    gpt_weights, hubert_weights, bert_weights, *speaker_weights = weights
    gpt = Gpt.from_checkpoint({"model": case.config["s1_model"]}, tensors(gpt_weights))
    gpt.ar_predict_layer.weight.data[gpt.config.eos] *= case.config["eos_row_factor"]
    hubert_model = HubertModel(HubertConfig(**case.config["hubert"]))
    hubert_model.load_state_dict(tensors(hubert_weights))
    bert_model = build_bert(case.config["bert"], bert_weights)
    speaker_encoder = None
    if speaker_weights:
        speaker_encoder = speaker_vectors.build(tensors(speaker_weights[0]))
    return Synthesizer(
        sovits.eval(),
        gpt,
        partial(hubert.features, hubert_model.eval()),
        lambda segments: bert.segment_features(bert_model, segments).numpy(),
        speaker_encoder,
        noise=noise,
        quirks=quirks,
    )


@covers("F_glue", "v*")
def whole_line(case: Case) -> None:
    x = case.inputs
    shapes: list[list[int]] = []

    def recorded_noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
        shapes.append(list(shape))
        return recipe_tensor(
            case.config["noise_seed"], f"noise{len(shapes) - 1}", shape, "uniform", 0.0, float(np.sqrt(3))
        )

    # Without a prompt the reference always takes its plain loop, and then forgets the penalty that it was given.
    plain_loop = not (x["parallel_infer"] and x["prompt_text"])
    penalty = 1.35 if plain_loop and x["parallel_infer"] else x["repetition_penalty"]
    quirks = Quirks(decode_together=True, late_stop=plain_loop, read_as_reference=True)
    synthesizer = build(case, generator(case), case.weights()[1:], recorded_noise, quirks)
    speech = speak_line(case, synthesizer, penalty)
    assert shapes == case.expected("noise_shapes"), shapes
    case.check("wav_int16", waveform.pcm16(speech.samples, wrap=True).astype(np.int64))


def speak_line(case: Case, synthesizer: Synthesizer, penalty: float) -> Speech:
    """Say the case's line, after the prompt is what it should be."""
    x = case.inputs
    others = tuple(case.path(path) for path in x.get("aux_ref_audio_paths", []))
    reference = Reference(case.path(x["ref_audio_path"]), x["prompt_text"], x["prompt_lang"], others)
    prompt = synthesizer.prepare(replace(reference, text=x["prompt_text"] or ""))
    if prompt.text and prompt.tokens is not None:
        found = {
            "prompt_semantic": prompt.tokens.tolist(),
            "prompt_phones": prompt.text.phones,
            "prompt_norm_text": prompt.text.norm_text,
            "prompt_bert_abs_sum": float(abs(prompt.text.bert_CX).sum()),
        }
        for name in found.keys() & set(case.output_names):
            case.check(name, found[name])
    options = Options(
        sampling=Sampling(x["top_k"], x["top_p"], x["temperature"], penalty),
        text_split=x["text_split_method"],
        pause_seconds=x["fragment_interval"],
        batch_size=x["batch_size"],
        # The reference counts 50 tokens a second, twice as many as there are.
        max_tokens=50 * case.config["max_sec"],
        sample_steps=x.get("sample_steps"),
    )
    speech = synthesizer.speak(x["text"], x["text_lang"], prompt, speed=x["speed_factor"], options=options)
    case.check("sr", speech.rate)
    return speech


@covers("F_glue", "postprocess")
def joining(case: Case) -> None:
    x = case.inputs
    joined = waveform.join([np.asarray(x[name]) for name in ("a1", "a2", "a3")], int(32000 * 0.01))
    case.check("wav_int16", waveform.pcm16(joined, wrap=True).astype(np.int64))


@covers("F_glue", "sola")
def overlapping(case: Case) -> None:
    first, second = (np.asarray(case.inputs[name]) for name in ("f0", "f1"))
    case.check("out", waveform.cross_fade(first, second, overlap=800))


@covers("E_audio", "sv_embedding")
def speaker_vector(case: Case) -> None:
    wav = torch.tensor(case.inputs["wav16k"])
    case.check("fbank", speaker_vectors.filter_bank(wav))
    case.check("sv_emb", speaker_vectors.build(tensors(case.weights()[0]))(wav))
