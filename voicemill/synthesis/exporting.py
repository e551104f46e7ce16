"""A published voice to a voice of ONNX graphs, which speaks without torch; `synthesis.graphs` says what is in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx

from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError, UsageError
from voicemill.core.files import atomic
from voicemill.core.logs import get_logger
from voicemill.gpt_sovits.features.bert import load as load_bert
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.noise import seeded_noise
from voicemill.gpt_sovits.onnx.acoustic_graph import acoustic_graph
from voicemill.gpt_sovits.onnx.bert import GRAPH, TOKENIZER
from voicemill.gpt_sovits.onnx.bert_graph import bert_graph
from voicemill.gpt_sovits.onnx.calibration import quantize_vocoder
from voicemill.gpt_sovits.onnx.quantization import Weights, in_weights
from voicemill.gpt_sovits.onnx.token_graph import token_graph
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis import Options, Reference
from voicemill.models import locate
from voicemill.models.layout import place
from voicemill.registry.names import SIGNATURE
from voicemill.synthesis import watermark
from voicemill.synthesis.graphs import SIZES
from voicemill.synthesis.reference_features import read_clips
from voicemill.voice import pronunciation
from voicemill.voice import reference_features as stored
from voicemill.voice.manifest import GRAPHS, GRAPHS_FORMAT, MANIFEST, Part, ReferenceClip, Voice, weights_of
from voicemill.voice.reference_features import ReferenceFile

if TYPE_CHECKING:
    from voicemill.synthesis.load import Pretrained

VERSIONS = ("v1", "v2", "v2Pro", "v2ProPlus")
"""Of v3 and v4 only the token model could be a graph; the sound comes from many steps of another model."""
_MADE_ANEW = {MANIFEST, SIGNATURE, stored.FILE}
log = get_logger(__name__)


def export_graphs(folder: Path, target: Path, weights: Weights = "fp32", pretrained: Pretrained | None = None) -> Voice:
    """Write a voice of ONNX graphs.

    What the graphs take and give is described in `voicemill.gpt_sovits.onnx.token_graph` and `acoustic_graph`.

    Args:
        folder: A voice.
        target: Existing empty folder.
        weights: fp16 halves the files. int8 and int4 are the token model's products in blocks, which only ONNX Runtime
            multiplies, the vocoder's convolutions in int8, with ranges measured on the reference clips, and all else in
            fp16.
        pretrained: HuBERT, and the speaker encoder for v2Pro*, to read the reference clips of a voice that does not
            carry what they find there.

    Raises:
        InputError: When the folder is not a voice, or damaged, or of a version without such a graph.
        UsageError: When the voice's clips are to be read, and the models for that are not given.
    """
    voice = weights_of(folder)
    if voice.version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise InputError(f"{folder} is a {voice.version} voice; ONNX graphs can be written of {known}")
    clips = (voice.reference, *voice.references.values())
    known = stored.read(folder)
    if known is None or known.sovits != voice.sovits.sha256 or any(clip.sha256 not in known.clips for clip in clips):
        if pretrained is None:
            raise UsageError(
                f"{folder} does not say what HuBERT finds in its reference clips: name a models folder with --models"
            )
        reading = pronunciation.load(pretrained.models, trained=folder).reading
        read = [Reference(folder / clip.file, clip.text, clip.language) for clip in clips]
        known = read_clips(pretrained, folder / voice.sovits.file, read, reading)
    token = checkpoints.load_gpt(folder / voice.gpt.file)
    generator = checkpoints.build_generator(checkpoints.load_sovits(folder / voice.sovits.file))
    tokens = token_graph(Gpt.from_checkpoint(token.config, token.weights).float().eval())
    acoustic_file, tokens_file = (target / name for name in GRAPHS)
    onnx.save(in_weights(tokens, weights), tokens_file)
    acoustic = acoustic_graph(generator)
    if weights in ("int8", "int4"):
        acoustic = quantize_vocoder(acoustic, generator.dec, _spoken(known, clips, generator))
    onnx.save(in_weights(acoustic, "fp32" if weights == "fp32" else "fp16"), acoustic_file)
    if watermark.is_installed():
        from voicemill.synthesis.watermark_graph import watermark_graph
        from voicemill.synthesis.watermark_network import network

        onnx.save(watermark_graph(network()), target / watermark.GRAPH)
    else:
        log.warning("the voice cannot mark what it speaks: %s is not installed", watermark.PACKAGE)
    about = {
        "speaker": voice.speaker,
        "version": voice.version,
        "sampling_rate": voice.sampling_rate,
        "weights": weights,
        "token_model": GptConfig.from_dict(token.config).to_dict()["model"],
        "frames_per_token": generator.token_frames,
        "latent_channels": generator.config.inter_channels,
        "speaker_channels": generator.config.gin_channels,
    }
    (target / SIZES).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    _copy(folder, target, without={*_MADE_ANEW, voice.sovits.file, voice.gpt.file})
    sovits, gpt = (
        Part(file.name, file_digest(file), origin.file)
        for file, origin in ((acoustic_file, voice.sovits), (tokens_file, voice.gpt))
    )
    replace(known, sovits=sovits.sha256).write(target)
    made = replace(voice, sovits=sovits, gpt=gpt, runtime="onnx", format=GRAPHS_FORMAT)
    made.write(target)
    return made


def _spoken(
    known: ReferenceFile, clips: Iterable[ReferenceClip], generator: Generator
) -> Iterator[dict[str, np.ndarray]]:
    """What the reference clips say, as inputs of the acoustic graph."""
    for seed, clip in enumerate(clips):
        found = known.clips[clip.sha256]
        tokens_1F = found.tokens_T.astype(np.int64).repeat(generator.token_frames)[None]
        phones_P = found.said.phones_P if found.said else np.zeros(1)
        noise_1CT = seeded_noise(seed, (1, generator.config.inter_channels, tokens_1F.shape[1]))
        yield {
            "tokens": tokens_1F,
            "phones": phones_P.astype(np.int64)[None],
            "speaker": found.speaker_1G1,
            "noise": np.ascontiguousarray(noise_1CT),
            "noise_scale": np.array(Options().noise_scale, dtype=np.float32),
            "first": np.array(0),
        }


def _copy(folder: Path, target: Path, without: Iterable[str]) -> None:
    left = set(without)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder)
        if name.as_posix() not in left:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / name)


def export_bert(models: Path, weights: Weights = "fp32") -> Path:
    """Write the BERT of a models folder as a graph beside it, by which voices of graphs speak Mandarin.

    Args:
        models: Models folder.
        weights: As of `export_graphs`.

    Returns:
        The folder of the graph and its tokenizer; one that is there is replaced.

    Raises:
        MissingModelError: There is no BERT in the models folder.
        InputError: It cannot be loaded, or is another kind of BERT.
    """
    bert = load_bert(locate(models, "bert"))
    made = in_weights(bert_graph(bert.model), weights)
    target = models / place("bert-onnx")
    with atomic(target, is_folder=True) as folder:
        onnx.save(made, folder / GRAPH)
        cast(Any, bert.tokenizer).backend_tokenizer.save(str(folder / TOKENIZER))
    return target
