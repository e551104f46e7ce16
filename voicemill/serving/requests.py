"""What clients may ask for: OpenAI's `/v1/audio/speech`, and GPT-SoVITS's `/tts` (its `api_v2.py`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from voicemill.serving.formats import Format
from voicemill.serving.speech import Wanted
from voicemill.synthesis.script import LARGEST_SEED
from voicemill.text import ROUTES
from voicemill.voice.generation_config import TextSplit

MODELS = ("voicemill", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Names that are answered to: our own, and those that clients of OpenAI's API send unless told otherwise."""


def _known(language: str) -> str:
    if language and language not in ROUTES:
        raise ValueError(f"must be one of {', '.join(ROUTES)}")
    return language


Language = Annotated[str, AfterValidator(_known)]


class VoiceId(BaseModel):
    """A voice as newer clients name it."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, Field(min_length=1, max_length=200)]


class SpeechRequest(BaseModel):
    """The body of `POST /v1/audio/speech`."""

    model_config = ConfigDict(extra="forbid")
    model: Annotated[str, Field(max_length=200, description="`voicemill`, or a name of OpenAI's such as `tts-1`.")]
    input: Annotated[str, Field(min_length=1, description="What to say.")]
    voice: Annotated[
        Annotated[str, Field(min_length=1, max_length=200)] | VoiceId,
        Field(description="As `GET /v1/voices` lists it, or the speaker's name where one voice of it is served."),
    ]
    response_format: Annotated[
        Format, Field(description="`pcm` is 24 kHz, 16 bits, mono, without a header; the others say what they are.")
    ] = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4, description="2 is twice as fast.")] = 1.0
    stream: Annotated[
        bool | None,
        Field(description="Send sound while it is spoken. Left out, all formats but `wav` do."),
    ] = None
    stream_format: Annotated[
        Literal["audio", "sse"] | None, Field(description="`sse` sends events with base64; asks for streaming.")
    ] = None
    instructions: Annotated[
        str | None, Field(max_length=4096, description="Accepted and not followed: a voice has one manner.")
    ] = None
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED, description="The same seed says it the same way. Ours.")] = 0
    language: Annotated[Language, Field(description="Of the input; empty is the voice's own. Ours.")] = ""
    reference: Annotated[
        str, Field(max_length=200, description="Name of one of the voice's references; empty is the usual one. Ours.")
    ] = ""
    use_prompt: Annotated[
        bool | None, Field(description="Speak in the manner of the reference clip, or by its sound alone. Ours.")
    ] = None

    def wanted(self) -> Wanted:
        """Return what is asked for."""
        if self.stream_format == "sse":
            streamed = "sse"
        elif self.stream is None:
            streamed = "audio" if self.stream_format or self.response_format != "wav" else "no"
        else:
            streamed = "audio" if self.stream else "no"
        voice = self.voice if isinstance(self.voice, str) else self.voice.id
        asked: dict[str, Any] = {"use_prompt": self.use_prompt}
        if "speed" in self.model_fields_set:
            asked["speed"] = self.speed
        return Wanted(
            voice, self.input, self.response_format, streamed, self.language, self.seed, asked, self.reference
        )


class TtsRequest(BaseModel):
    """What `/tts` takes: the parameters of GPT-SoVITS's `api_v2.py`.

    A path on the server is not read for a client: `ref_audio_path` may be the name of a voice, anything else means the
    voice's own reference. Parameters that do not change what is said here are accepted: `aux_ref_audio_paths`,
    `prompt_lang`, `batch_size`, `batch_threshold`, `split_bucket`, `parallel_infer`, `sample_steps`,
    `super_sampling`, `overlap_length`, `min_chunk_length`.
    """

    model_config = ConfigDict(extra="ignore")
    text: Annotated[str, Field(min_length=1)]
    text_lang: Annotated[str, Field(max_length=20)] = ""
    ref_audio_path: Annotated[str, Field(max_length=1000)] = ""
    voice: Annotated[str, Field(max_length=200, description="A voice's name. Ours.")] = ""
    prompt_text: str | None = None
    top_k: Annotated[int | None, Field(ge=1)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    temperature: Annotated[float | None, Field(ge=0)] = None
    repetition_penalty: Annotated[float | None, Field(gt=0)] = None
    text_split_method: TextSplit | None = None
    speed_factor: Annotated[float | None, Field(ge=0.25, le=4)] = None
    fragment_interval: Annotated[float | None, Field(ge=0, le=10)] = None
    seed: Annotated[int, Field(ge=-1, le=LARGEST_SEED, description="-1 is any.")] = -1
    media_type: Literal["wav", "raw", "ogg", "aac"] = "wav"
    streaming_mode: Annotated[bool | int, Field(description="0 or false, 1 or true, 2, 3")] = False

    def wanted(self, voices: list[str], any_seed: int) -> Wanted | None:
        """Return what is asked for; None where the language is unknown.

        Args:
            voices: Names of those that are served, the first one is taken where none is named.
            any_seed: For a request that names none.
        """
        language = self.text_lang.lower()
        if language and language not in ROUTES:
            return None
        named = self.voice or (self.ref_audio_path if self.ref_audio_path in voices else "")
        formats: dict[str, Format] = {"wav": "wav", "raw": "pcm", "ogg": "opus", "aac": "aac"}
        asked = {
            "top_k": self.top_k,
            "top_p": self.top_p,
            "temperature": self.temperature,
            "repetition_penalty": self.repetition_penalty,
            "text_split": self.text_split_method,
            "speed": self.speed_factor,
            "pause": self.fragment_interval,
        }
        seed = any_seed if self.seed < 0 else self.seed
        streamed = "audio" if self.streaming_mode else "no"
        return Wanted(named or voices[0], self.text, formats[self.media_type], streamed, language, seed, asked)
