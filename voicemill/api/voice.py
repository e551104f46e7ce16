"""A voice with its models loaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self

from voicemill.api.speech import Speech, SpeechStream
from voicemill.core.errors import InputError, UsageError
from voicemill.core.extras import needs

if TYPE_CHECKING:
    import numpy as np

    from voicemill.gpt_sovits.synthesis import Options, Prompt, Script, Speaker
    from voicemill.synthesis.prompts import Prompts
    from voicemill.synthesis.speaking import SpeakingVoice
    from voicemill.synthesis.verification.verifier import Verifier
    from voicemill.voice.generation_config import Generation

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Verify = Literal["off", "report", "mend"]


class Voice:
    """A voice with its models loaded. Make one with `Voice.load`; as a context manager it frees the models at the end.

    Several threads may share a voice: their lines are spoken one after the other.
    """

    def __init__(
        self, speaking: SpeakingVoice, generation: Generation, version: str, models: Path | None, resources: ExitStack
    ):
        from voicemill.synthesis.prompts import Prompts

        self._loaded: Prompts | None = Prompts(speaking.prompted(generation))
        self._models = models
        self._verifiers: dict[tuple[Verify, str], Verifier | None] = {}
        self._resources = resources
        self._lock = Lock()
        self.generation = generation
        """How it speaks: its generation config, or what `load` was given."""
        self.version = version
        """A digest of the voice's files."""
        self.speaker = speaking.voice.speaker
        """Whose voice it is."""
        self.language = speaking.voice.language
        """The language of lines that name none."""
        self.references = tuple(speaking.voice.references)
        """Names of reference clips that lines can ask for beside the usual one."""
        self.sample_rate = speaking.voice.sampling_rate
        """Of what it speaks, in Hz."""

    @classmethod
    def load(
        cls,
        voice: str | Path,
        *,
        models: str | Path = "",
        registry: str | Path = "",
        device: str = "auto",
        precision: Precision = "auto",
        lexicon: str | Path = "",
        polyphone_model: Literal["auto", "g2pw", "pypinyin"] = "auto",
        generation: Generation | None = None,
        watermark: Literal["auto", "on", "off"] = "auto",
        runtime: Literal["auto", "torch", "onnx"] = "auto",
    ) -> Voice:
        """Load a voice and the pretrained models that it needs.

        Args:
            voice: A voice folder (`voicemill run clone-voice --out OUT` leaves `OUT/voice`) or one of ONNX graphs, an
                `s3://` address, or with a registry SPEAKER, SPEAKER@ALIAS or SPEAKER@VERSION.
            models: Models folder or its `s3://` address, for HuBERT and, where Mandarin is spoken, BERT; empty takes
                `$VOICEMILL_MODELS`.
            registry: Folder or `s3://` address of a registry; empty takes `$VOICEMILL_REGISTRY`, if it is set.
            device: `cpu`, `cuda`, `cuda:1`; `auto` takes the GPU where there is one.
            precision: `auto` is half precision on a GPU and fp32 on a CPU.
            lexicon: Your own pronunciations, a CSV file with the columns word, language and reading.
            polyphone_model: What tells Mandarin polyphones apart; `auto` is what read the voice's training texts.
            generation: How to speak; None goes by the voice's generation config.
            watermark: Whether all that is said carries an inaudible mark: `auto` where the extra `watermark` is
                installed, `on` requires it, `off` leaves it out.
            runtime: What the models run by: `auto` is ONNX Runtime for a voice of ONNX graphs (`voicemill voices export
                --onnx`), which needs no torch, and a models folder for Mandarin only, and torch for any other. `onnx`
                with any other lets ONNX Runtime run the token model, on a CPU, in fp32 or int8.

        Raises:
            InputError: If it is not a voice, is damaged, or is not signed by a trusted key.
            MissingModelError: If a pretrained model is not in the models folder, or the watermark not installed.
            TryAgain: If S3 cannot be reached.
            UsageError: If no models folder is given, or a package of the extra `voice` is not installed.
        """
        models = models or os.environ.get("VOICEMILL_MODELS", "")
        registry = registry or os.environ.get("VOICEMILL_REGISTRY", "")
        with needs("voice"):
            from voicemill.registry import fetch_voice, version_of
            from voicemill.synthesis.speaking import load_voice, models_of
            from voicemill.voice import pronunciation

        resources = ExitStack()
        try:
            work = resources.enter_context(tempfile.TemporaryDirectory(prefix="voicemill-voice-"))
            folder = fetch_voice(str(voice), str(registry), Path(work) / "voice")
            pretrained = models_of(folder, models)
            pronounced = pronunciation.load(
                pretrained, lexicon=str(lexicon), polyphones=polyphone_model, trained=folder
            )
            speaking = load_voice(
                folder,
                pretrained,
                None if device == "auto" else device,
                precision=precision,
                reading=pronounced.reading,
                watermark=watermark,
                runtime=runtime,
            )
            how, version = generation or speaking.voice.generation, version_of(folder).version
            return cls(speaking, how, version, pretrained, resources)
        except BaseException:
            resources.close()
            raise

    def say(
        self,
        text: str,
        *,
        language: str = "",
        speed: float | None = None,
        seed: int = 0,
        reference: str = "",
        verify: Verify = "off",
    ) -> Speech:
        """Speak a line.

        Args:
            text: What to say.
            language: auto, en, zh, ja, ko or yue; empty is the voice's own.
            speed: 0.25 to 4; 2 is twice as fast. None goes by the generation config.
            seed: The same seed speaks the line the same way, as `voicemill stage synthesize` does with it.
            reference: Name of one of `references`; empty is the usual one.
            verify: `report` lets a recogniser hear the line and says what differs from its text (`verification` of
                what is returned); `mend` speaks it again in other ways where it fails. Whisper or SenseVoice of the
                models folder hears, else pocketsphinx for English.

        Raises:
            InputError: If nothing in the text can be said, or the voice has no such reference.
            UsageError: If it is to be verified, and no recogniser of that language is there.
        """
        said = self.say_all([text], language=language, speed=speed, seed=seed, reference=reference, verify=verify)
        return next(said)

    def say_all(
        self,
        texts: Iterable[str],
        *,
        language: str = "",
        speed: float | None = None,
        seed: int = 0,
        batch_size: int = 16,
        reference: str = "",
        verify: Verify = "off",
    ) -> Iterator[Speech]:
        """Speak several lines, many pieces of them at a time, which is faster than one after the other.

        What a line sounds like does not depend on the lines beside it: `say` speaks each the same.

        Args:
            texts: What to say.
            language: As for `say`.
            speed: As for `say`.
            seed: Of every line.
            batch_size: Lines and pieces of lines that are spoken at once.
            reference: As for `say`, of every line.
            verify: As for `say`.

        Yields:
            The lines in their order, as they are spoken.

        Raises:
            InputError: As for `say`; those in earlier batches are spoken by then.
        """
        from voicemill.synthesis.options import options_of

        if batch_size < 1:
            raise UsageError(f"a batch of {batch_size} lines cannot be spoken; it must be at least 1")
        options = options_of(self.generation, batch_size)
        speed = self.generation.speed if speed is None else speed
        waiting: list[str] = []
        for text in texts:
            waiting.append(text)
            if len(waiting) == batch_size:
                yield from self._speak(waiting, language or self.language, speed, seed, options, reference, verify)
                waiting = []
        if waiting:
            yield from self._speak(waiting, language or self.language, speed, seed, options, reference, verify)

    def stream(
        self, text: str, *, language: str = "", speed: float | None = None, seed: int = 0, reference: str = ""
    ) -> SpeechStream:
        """Speak a line that is heard while it is spoken, in pieces of half a second and more.

        It sounds like what `say` speaks with the same seed, up to a small difference that `docs/how-to/serving.md`
        states; at another speed than 1 a piece is a sentence or a part of one, and there is no difference. Other
        threads wait until the last piece is taken, or the stream is closed.

        Args:
            text: What to say.
            language: As for `say`.
            speed: As for `say`.
            seed: As for `say`.
            reference: As for `say`.

        Raises:
            InputError: As for `say`, when the first piece is taken.
        """
        speed = self.generation.speed if speed is None else speed
        return SpeechStream(self._stream(text, language or self.language, speed, seed, reference))

    def _stream(
        self, text: str, language: str, speed: float, seed: int, reference: str
    ) -> Iterator[np.ndarray | Speech]:
        import numpy as np

        from voicemill.gpt_sovits.synthesis.streaming import Stream, StreamingSynthesizer
        from voicemill.synthesis.options import options_of

        with self._lock:
            synthesizer, prompt = self._prepared(reference)
            options = options_of(self.generation)
            script = self._script(synthesizer, text, language, speed, seed, options)
            pieces: list[np.ndarray] = []
            heard = 0
            stream = Stream(script, prompt, options, pieces.append)
            speaker = StreamingSynthesizer(synthesizer, rows=min(2, len(script.fragments)))
            speaker.begin(stream)
            while not stream.has_ended:
                speaker.step()
                while heard < len(pieces):
                    heard += 1
                    yield pieces[heard - 1]
            if stream.error or stream.report is None:
                raise stream.error or InputError(f"{text[:60]!r} was not spoken to its end")
        yield self._speech(np.concatenate(pieces), text, language, speed, seed, stream.report)

    def _prepared(self, reference: str) -> tuple[Speaker, Prompt]:
        """Return who speaks, and a reference as it was prepared once; the lock is held."""
        prompts = self._prompts()
        return prompts.speaking.synthesizer, prompts.of(reference)

    def _prompts(self) -> Prompts:
        if self._loaded is None:
            raise UsageError(f"the voice of {self.speaker} is closed; load it again")
        return self._loaded

    def _verifier(self, verify: Verify, language: str, options: Options, reference: str) -> Verifier | None:
        """Return who hears lines, with the recogniser that was loaded for the first of them; the lock is held."""
        from dataclasses import replace

        from voicemill.evaluation.verifying import verifier_for

        speaking = self._prompts().speaking
        key: tuple[Verify, str] = (verify, language)
        if key not in self._verifiers:
            self._verifiers[key] = verifier_for(verify, self._models, language, speaking, options)
        found = self._verifiers[key]
        return found and replace(found, reference=speaking.named(reference))

    def _speak(
        self,
        texts: list[str],
        language: str,
        speed: float,
        seed: int,
        options: Options,
        reference: str,
        verify: Verify,
    ) -> list[Speech]:
        with self._lock:
            synthesizer, prompt = self._prepared(reference)
            prompts, verifier = self._prompts(), self._verifier(verify, language, options, reference)
            scripts = [self._script(synthesizer, text, language, speed, seed, options) for text in texts]
            spoken = synthesizer.perform(scripts, prompt, options)
            verifications: list[Mapping[str, Any] | None] = [None] * len(texts)
            if verifier:
                settings = [{"text": text, "language": language, "speed": speed, "seed": seed} for text in texts]
                lines = list(zip(settings, spoken, strict=True))
                heard = verifier.verify_all(lines, options, synthesizer, lambda step: prompts.of_step(step, reference))
                spoken = [line.speech for line in heard]
                verifications = [line.verification.row() for line in heard]
        return [
            self._speech(said.samples, text, language, speed, seed, said.report, verification)
            for text, said, verification in zip(texts, spoken, verifications, strict=True)
        ]

    def _script(
        self, synthesizer: Speaker, text: str, language: str, speed: float, seed: int, options: Options
    ) -> Script:
        try:
            return synthesizer.script(text, language, text_split=options.text_split, speed=speed, seed=seed)
        except InputError as error:
            raise InputError(f"{text[:60]!r} cannot be spoken: {error}") from error

    def _speech(
        self,
        samples: np.ndarray,
        text: str,
        language: str,
        speed: float,
        seed: int,
        report: Mapping[str, Any],
        verification: Mapping[str, Any] | None = None,
    ) -> Speech:
        """Return what was spoken with what the synthesizer reports of it."""
        from voicemill.text import Unpronounced

        silent = tuple(Unpronounced(**sign) for sign in report["unpronounced"])
        about = (text, language, speed, seed, self.speaker, self.version)
        return Speech(samples, self.sample_rate, *about, silent, report["cut_off"], report["watermark"], verification)

    def close(self) -> None:
        """Free the models; the voice cannot speak afterwards."""
        with self._lock:
            self._loaded = None
            self._verifiers.clear()
            self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Voice {self.speaker}@{self.version}, {self.language}>"
