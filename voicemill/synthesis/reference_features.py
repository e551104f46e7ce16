"""From a voice's reference clips to what is kept beside it of them, and back; see `voice.reference_features`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicemill.contract.code import code_version
from voicemill.core.digests import content_digest, file_digest
from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger
from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.reference import Reference, ReferenceFeatures
from voicemill.models import locate
from voicemill.storage import fingerprint
from voicemill.text import Reading, symbols
from voicemill.voice import reference_features as stored
from voicemill.voice.manifest import Voice, weights_of
from voicemill.voice.reference_features import ReferenceFile, StoredFeatures, StoredText

if TYPE_CHECKING:
    from voicemill.synthesis.load import Pretrained

log = get_logger(__name__)


def front_end(reading: Reading) -> str:
    """Digest of who pronounces: our text front-end, as it is, with this reading."""
    return content_digest(f"{code_version('voicemill.text.frontend')}\n{reading.digest}")


def read_clips(pretrained: Pretrained, sovits: Path, clips: Iterable[Reference], reading: Reading) -> ReferenceFile:
    """Let the models read reference clips; one that cannot be used is left out with a warning.

    Args:
        pretrained: HuBERT and, where the version or the language needs them, speaker encoder and BERT.
        sovits: Weights of the acoustic model.
        clips: The clips and what is said in them.
        reading: How the voice is read.

    Raises:
        MissingModelError: If a model is not in the models folder.
    """
    from voicemill.gpt_sovits.synthesis.recordings import features_of

    generator = pretrained.generator(sovits)
    encoder = pretrained.speaker_vector if generator.config.is_pro else None
    found: dict[str, StoredFeatures] = {}
    for clip in clips:
        key = file_digest(clip.audio)
        if key in found and (found[key].said or not clip.text):
            # One recording under two names: its words are those that it is given first.
            continue
        try:
            features = features_of(clip, generator, pretrained.content, encoder, pretrained.bert_features, reading)
        except InputError as error:
            log.warning("the reference clip %s is left out: %s", clip.audio.name, error)
            continue
        said = _stored_text(features.text, clip.language, reading) if features.text else None
        found[key] = StoredFeatures(features.tokens_T.astype(np.int32), features.g_1G1, said)
    hubert = fingerprint(locate(pretrained.models, "hubert"))
    return ReferenceFile(file_digest(sovits), hubert, found)


def add_to_voice(folder: Path, pretrained: Pretrained, reading: Reading) -> None:
    """Let the models read a voice's reference clips, and keep what they find in its folder.

    Raises:
        InputError: If the folder is not a voice.
        MissingModelError: As `read_clips`.
    """
    voice = weights_of(folder)
    clips = [
        Reference(folder / clip.file, clip.text, clip.language)
        for clip in (voice.reference, *voice.references.values())
    ]
    read_clips(pretrained, folder / voice.sovits.file, clips, reading).write(folder)


def known_features(folder: Path, voice: Voice, channels: int, reading: Reading) -> Mapping[str, ReferenceFeatures]:
    """Return what is known of a voice's clips, by the SHA-256 of their files.

    What another acoustic model found is left out, and how a text is pronounced where that was another front-end or
    reading.

    Args:
        folder: A voice, whose files have been checked against its voice.json.
        voice: Its voice.json.
        channels: Size of the acoustic model's speaker embeddings.
        reading: How it is read.

    Raises:
        InputError: If the file is damaged.
    """
    found = stored.read(folder)
    if found is None:
        return {}
    if found.sovits != voice.sovits.sha256:
        log.warning("%s is of another acoustic model: the reference clips are read again", folder / stored.FILE)
        return {}
    return {
        key: _features(clip, voice.version, reading)
        for key, clip in found.clips.items()
        if clip.speaker_1G1.shape[1] == channels
    }


def _stored_text(fragment: Fragment, language: str, reading: Reading) -> StoredText:
    rows = fragment.bert_CX
    phones = np.array(fragment.phones, dtype=np.int32)
    said = fragment.text, language, fragment.norm_text, front_end(reading)
    return StoredText(*said, phones, rows if rows.any() else None)


def _features(clip: StoredFeatures, version: str, reading: Reading) -> ReferenceFeatures:
    said, fragment = clip.said, None
    if said and said.phones_P.max() < len(symbols.table(version)) and said.front_end == front_end(reading):
        rows = np.zeros((BERT_CHANNELS, len(said.phones_P)), np.float32) if said.bert_CP is None else said.bert_CP
        fragment = Fragment(said.text, said.norm_text, said.phones_P.tolist(), rows)
    return ReferenceFeatures(clip.tokens_T.astype(np.int64), clip.speaker_1G1, fragment)
