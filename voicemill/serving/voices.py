"""The voices that are served: loaded, kept at what their aliases point at, and dropped when they are revoked."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voicemill.core.errors import InputError, MissingModelError, TryAgain, UsageError
from voicemill.core.extras import needs
from voicemill.core.logs import get_logger
from voicemill.gpt_sovits.synthesis import Prompt, Speaker
from voicemill.gpt_sovits.synthesis.streaming import StreamingSynthesizer
from voicemill.registry import names, open_registry, pull, resolve, tombstones, version_of
from voicemill.serving.engine import Engine, Failed
from voicemill.serving.metrics import Metrics
from voicemill.storage import fetch
from voicemill.synthesis.speaking import Runtime, load_voice, models_of
from voicemill.voice import pronunciation
from voicemill.voice.generation_config import Generation
from voicemill.voice.manifest import Voice as Manifest
from voicemill.voice.manifest import read_voice

if TYPE_CHECKING:
    from voicemill.synthesis.load import Pretrained

_FRESH_SECONDS = 1.0
log = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class ServedVoice:
    """A version of a voice, its models loaded.

    Attributes:
        name: How it is served: `anna@prod`, or the speaker's name for a folder.
        manifest: What the voice's folder says.
        version: Digest of its files.
        synthesizer: Makes scripts of texts.
        speaker: Speaks them.
        prompts: References as they are imitated, by their names and `Generation.use_prompt`; "" is the usual one.
    """

    name: str
    manifest: Manifest
    version: str
    synthesizer: Speaker
    speaker: StreamingSynthesizer
    prompts: dict[tuple[str, bool], Prompt]

    @property
    def generation(self) -> Generation:
        return self.manifest.generation

    def prompt(self, reference: str, used: bool) -> Prompt:
        """Return a reference as it is imitated.

        Raises:
            InputError: If the voice has none of that name.
        """
        if (reference, used) not in self.prompts:
            known = ", ".join(self.manifest.references) or "no named ones"
            raise InputError(f"{self.name} has no reference {reference!r}; it has {known}")
        return self.prompts[reference, used]


class Revoked(InputError):
    """The voice's speaker was removed."""


class Unknown(InputError):
    """No such voice is served."""


class Voices:
    """Loads and watches.

    Args:
        places: Voice folders, s3:// addresses or, with a registry, SPEAKER[@ALIAS].
        registry: Folder or s3:// address; empty for none.
        models: Models folder or its s3:// address; voices of ONNX graphs need none.
        engine: What speaks.
        metrics: Told which versions are served.
        device: None takes the GPU where there is one.
        precision: As `Synthesizer.precision`.
        runtime: What models run by; see `load_voice`.
        rows: Fragments that a voice speaks at once.
    """

    def __init__(
        self,
        places: Sequence[str],
        registry: str,
        models: str | Path,
        engine: Engine,
        metrics: Metrics,
        device: str | None = None,
        precision: str = "auto",
        rows: int = 16,
        runtime: Runtime = "auto",
    ):
        self.places, self.engine, self.metrics = list(places), engine, metrics
        self.models, self.device, self.precision, self.rows = models, device, precision, rows
        self.runtime: Runtime = runtime
        self.registry = open_registry(registry) if registry else None
        self.pretrained: Pretrained | None = None
        # The text front-end is for one thread.
        self.front_end = ThreadPoolExecutor(1, thread_name_prefix="voicemill-text")
        self.loaded: dict[str, ServedVoice] = {}
        self.revoked: dict[str, str] = {}
        self._checked: dict[str, float] = {}
        self._stop = threading.Event()
        self._watching: threading.Thread | None = None

    def load(self) -> None:
        """Load all voices.

        Raises:
            InputError: If one cannot be loaded, or two have the same name.
        """
        for place in self.places:
            voice = self._load(place)
            if voice.name in self.loaded:
                raise UsageError(f"two of the voices are called {voice.name}; serve each once")
            self._put(voice)

    def watch(self, seconds: float) -> None:
        """Look for moved aliases and revoked speakers every so many seconds, in a thread of its own."""
        if self.registry is not None:
            self._watching = threading.Thread(target=self._watch, args=(seconds,), daemon=True)
            self._watching.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._watching:
            self._watching.join(10)
        self.front_end.shutdown(wait=False, cancel_futures=True)

    def find(self, name: str) -> ServedVoice:
        """Return a voice by its name, or by its speaker where one voice of the speaker is served.

        Raises:
            Revoked: If its speaker was removed.
            Unknown: If it is not served.
        """
        chosen = [self.loaded[name]] if name in self.loaded else []
        chosen = chosen or [voice for voice in self.loaded.values() if voice.manifest.speaker == name]
        if len(chosen) == 1:
            self._check(chosen[0])
            return chosen[0]
        speaker = name.partition("@")[0]
        if speaker in self.revoked:
            raise Revoked(f"the voice of {speaker} was revoked and is not spoken with any more")
        if len(chosen) > 1:
            raise Unknown(f"{name} is served as {', '.join(voice.name for voice in chosen)}; name one of them")
        raise Unknown(f"the voice {name!r} is not served here")

    def _load(self, place: str) -> ServedVoice:
        with tempfile.TemporaryDirectory(prefix="voicemill-voice-") as work:
            if self.registry is not None and names.is_reference(place):
                reference = names.parse(place)
                name, folder = place, pull(self.registry, reference.speaker, reference.name, Path(work) / "voice")
            else:
                folder, name = fetch(place), ""
            models = models_of(folder, self.models)
            read = pronunciation.load(models, lexicon="", polyphones="auto", trained=folder).reading
            loaded = self._pretrained(folder, models)
            speaking = load_voice(
                folder, loaded, self.device, precision=self.precision, reading=read, runtime=self.runtime
            )
            synthesizer = speaking.synthesizer
            prompts = {
                (named, used): self.front_end.submit(
                    synthesizer.prepare, Generation(use_prompt=used).prompt(speaking.named(named))
                ).result()
                for named in ("", *speaking.references)
                for used in (True, False)
            }
            speaker, version = StreamingSynthesizer(synthesizer, self.rows), version_of(folder).version
            return ServedVoice(name or speaking.voice.speaker, speaking.voice, version, synthesizer, speaker, prompts)

    def _pretrained(self, folder: Path, models: Path | None) -> Pretrained | Path | None:
        """Return the pretrained models, which voices of weights share; for a voice of graphs their folder, if any."""
        if models is None or read_voice(folder, verify=False).runtime == "onnx":
            return models
        if self.pretrained is None:
            with needs("voice"):
                from voicemill.synthesis.load import Pretrained
            self.pretrained = Pretrained(models, self.device)
        return self.pretrained

    def _put(self, voice: ServedVoice) -> None:
        before = self.loaded.get(voice.name)
        self.loaded[voice.name] = voice
        if before:
            self.metrics.voices.remove(voice.name, before.version)
        self.metrics.voices.labels(voice.name, voice.version).set(1)
        log.info("serving %s in version %s", voice.name, voice.version)

    def _check(self, voice: ServedVoice) -> None:
        """Look whether the voice's speaker was removed, unless that was looked at a moment ago."""
        now = time.monotonic()
        if self.registry is None or now - self._checked.get(voice.name, -1e9) < _FRESH_SECONDS:
            return
        if not names.is_reference(voice.name):
            return
        try:
            if tombstones.is_there(self.registry, voice.manifest.speaker):
                self._revoke(voice)
                raise Revoked(f"the voice of {voice.manifest.speaker} was revoked and is not spoken with any more")
        except TryAgain as error:
            log.warning("the registry was not reached, %s goes on: %s", voice.name, error)
            self.metrics.registry_reached.set(0)
        self._checked[voice.name] = now

    def _revoke(self, voice: ServedVoice) -> None:
        speaker = voice.manifest.speaker
        self.revoked[speaker] = voice.version
        for other in [each for each in self.loaded.values() if each.manifest.speaker == speaker]:
            self.loaded.pop(other.name, None)
            self.metrics.voices.remove(other.name, other.version)
            self.engine.cancel_all(other.speaker, Failed(f"the voice of {speaker} was revoked", 410))
        log.warning("%s was revoked: it is not spoken with any more", speaker)

    def _watch(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            for voice in list(self.loaded.values()):
                try:
                    self._look(voice)
                    self.metrics.registry_reached.set(1)
                except TryAgain as error:
                    log.warning("the registry was not reached, %s goes on: %s", voice.name, error)
                    self.metrics.registry_reached.set(0)
                except (InputError, MissingModelError) as error:
                    log.error("%s goes on in version %s: %s", voice.name, voice.version, error)

    def _look(self, voice: ServedVoice) -> None:
        if self.registry is None or voice.name not in self.places:
            return
        if tombstones.is_there(self.registry, voice.manifest.speaker):
            self._revoke(voice)
        elif resolve(self.registry, names.parse(voice.name)).version != voice.version:
            # Requests that are being spoken keep the version that they began with.
            self._put(self._load(voice.name))
