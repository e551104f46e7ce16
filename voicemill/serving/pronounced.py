"""How a text would be read, before it is said."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from voicemill.gpt_sovits.synthesis import Script
from voicemill.serving.errors import Refused
from voicemill.serving.keys import Key
from voicemill.serving.requests import Language
from voicemill.serving.voices import ServedVoice, Voices
from voicemill.text import symbols


class PronounceRequest(BaseModel):
    """The body of `POST /v1/pronounce`."""

    model_config = ConfigDict(extra="forbid")
    input: Annotated[str, Field(min_length=1)]
    voice: Annotated[str, Field(min_length=1, max_length=200)]
    language: Language = ""


class Sign(BaseModel):
    """A character that is not heard, and its place in the text."""

    character: str
    position: int


class Piece(BaseModel):
    """A piece of the text, as it is spoken at a time."""

    text: str
    normalized: str
    phones: list[str]


class Pronounced(BaseModel):
    """What would be pronounced."""

    pieces: list[Piece]
    unpronounced: list[Sign]


async def pronounced(voices: Voices, body: PronounceRequest, key: Key) -> Pronounced:
    """Read a text as it would be spoken.

    Raises:
        Refused: If the key may not use the voice.
        InputError: If nothing in the text can be said.
    """
    voice = await asyncio.to_thread(voices.find, body.voice)
    if not key.may_use(voice.manifest.speaker):
        raise Refused(403, f"this key may not use the voice {body.voice!r}", "voice_not_allowed", "voice")
    language = body.language or voice.manifest.language
    reading = voices.front_end.submit(
        voice.synthesizer.script, body.input, language, text_split=voice.generation.text_split
    )
    return _shown(voice, await asyncio.wrap_future(reading))


def _shown(voice: ServedVoice, script: Script) -> Pronounced:
    table = symbols.table(voice.synthesizer.version)
    pieces = [
        Piece(text=piece.text, normalized=piece.norm_text, phones=[table[phone] for phone in piece.phones])
        for piece in script.fragments
    ]
    signs = [Sign(character=sign.character, position=sign.position) for sign in script.unpronounced]
    return Pronounced(pieces=pieces, unpronounced=signs)
