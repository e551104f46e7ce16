"""Runs every stage once on small inputs; `python -m tests.stages.same_bytes MADE FIRST OUT` from the root.

MADE holds what no stage makes: recordings and toy models. The stages read each other's outputs in FIRST and write
theirs to OUT: where both are one folder they run as a chain, otherwise each runs again on the inputs it had there.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from unittest import mock

import numpy as np

from tests.pretraining.conftest import write_corpus
from tests.registry.conftest import make_voice
from tests.speech import DEMO_SPEAKER
from tests.synthesis.bulk.script import write_ledgers
from voicemill.audio.reading import read_mono, write_wav
from voicemill.contract.ledger import Ledger
from voicemill.models.toy import make_all
from voicemill.pretraining import base, content_encoder
from voicemill.registry import promote, publish, resolve
from voicemill.registry.names import Reference
from voicemill.storage import open_store
from voicemill.synthesis.bulk import read_plan

LINE = "Good morning, and welcome."
RATE = 32_000


def make(made: Path) -> None:
    """Recordings, of which one is noisy, toy models, a corpus and a registry with a promoted voice."""
    (made / "recordings").mkdir(parents=True)
    for number, name in enumerate(("01_river_walk", "04_winter")):
        wav = read_mono(DEMO_SPEAKER / f"{name}.ogg", RATE)[: 5 * RATE]
        noise = np.random.default_rng(number).standard_normal(len(wav)).astype(np.float32)
        write_wav(made / "recordings" / f"{name}.wav", wav + 0.01 * number * noise, RATE)
    make_all(made / "models", report=lambda line: None)
    write_corpus(made / "corpus")


class Run:
    """The stages' calls, by the names of the stages."""

    def __init__(self, made: Path, first: Path, out: Path) -> None:
        self.made, self.first, self.out = made, first, out
        self.models = {"models": str(made / "models")}

    def of(self, stage: str, artifact: str) -> Path:
        """What a stage made the first time."""
        return self.first / stage / artifact

    def to(self, stage: str, artifact: str) -> Path:
        (self.out / stage).mkdir(parents=True, exist_ok=True)
        return self.out / stage / artifact

    def ingest(self) -> Ledger:
        from voicemill.stages.ingest import ingest

        recordings = str(self.made / "recordings")
        return ingest(self.to("ingest", "audio"), source=recordings, min_minutes=0.1, consent="She agreed.")

    def separate(self) -> Ledger:
        from voicemill.stages.separate import separate

        return separate(self.of("ingest", "audio"), self.to("separate", "vocals"), **self.models, when="always")

    def assess_quality(self) -> Ledger:
        from voicemill.stages.assess_quality import assess_quality

        target = self.to("assess-quality", "measures.json")
        return assess_quality(self.of("separate", "vocals"), target, dereverb="always", denoise="always")

    def dereverb(self) -> Ledger:
        from voicemill.stages.dereverb import dereverb

        inputs = (self.of("separate", "vocals"), self.of("assess-quality", "measures.json"))
        return dereverb(*inputs, self.to("dereverb", "dereverbed"), **self.models)

    def denoise(self) -> Ledger:
        from voicemill.stages.denoise import denoise

        inputs = (self.of("separate", "vocals"), self.of("assess-quality", "measures.json"))
        target = self.to("denoise", "denoised")
        return denoise(*inputs, target, self.of("dereverb", "dereverbed"), **self.models)

    def normalize(self) -> Ledger:
        from voicemill.stages.normalize import normalize

        cleaned = (self.of("dereverb", "dereverbed"), self.of("denoise", "denoised"))
        return normalize(self.of("separate", "vocals"), self.to("normalize", "levelled"), *cleaned)

    def slice(self) -> Ledger:
        from voicemill.stages.slice import slice_clips

        return slice_clips(self.of("normalize", "levelled"), self.to("slice", "clips"), max_seconds=6.0)

    def identify_speakers(self) -> Ledger:
        from voicemill.stages.identify_speakers import identify_speakers

        return identify_speakers(self.of("slice", "clips"), self.to("identify-speakers", "kept"))

    def transcribe(self) -> Ledger:
        from voicemill.stages.transcribe import transcribe

        said = {"speaker": "anna", "language": "en", "backend": "pocketsphinx"}
        folders = (
            self.of("identify-speakers", "kept"),
            self.to("transcribe", "transcripts"),
            self.of("ingest", "audio"),
        )
        return transcribe(*folders, **said, **self.models)  # pyright: ignore[reportArgumentType]

    def apply_review(self) -> Ledger:
        from voicemill.stages.apply_review import apply_review

        inputs = (self.of("slice", "clips"), self.of("transcribe", "transcripts"))
        outputs = (self.to("apply-review", "clips"), self.to("apply-review", "transcripts"))
        return apply_review(*inputs, *outputs, self.of("normalize", "levelled"), speaker="anna")

    def format(self) -> Ledger:
        from voicemill.stages.format import format_dataset

        inputs = (self.of("apply-review", "clips"), self.of("apply-review", "transcripts"))
        return format_dataset(*inputs, self.to("format", "dataset"), **self.models)

    def train_sovits(self) -> Ledger:
        from voicemill.stages.train_sovits import train_sovits

        folders = (self.of("format", "dataset"), self.to("train-sovits", "weights"), self.to("train-sovits", "state"))
        options = {"epochs": 1, "min_clips_per_epoch": 1, "batch_size": 8, "segment_seconds": 0.7, "export_base": True}
        return train_sovits(*folders, **options, **self.models)

    def train_gpt(self) -> Ledger:
        from voicemill.stages.train_gpt import train_gpt

        folders = (self.of("format", "dataset"), self.to("train-gpt", "weights"), self.to("train-gpt", "state"))
        return train_gpt(*folders, epochs=2, min_clips_per_epoch=1, save_every=1, batch_size=8, **self.models)

    def trained(self) -> tuple[Path, Path]:
        return self.of("train-sovits", "weights"), self.of("train-gpt", "weights")

    def evaluate(self) -> Ledger:
        from voicemill.stages.evaluate import evaluate

        texts = (self.of("apply-review", "clips"), self.of("apply-review", "transcripts"))
        inputs = (self.of("format", "dataset"), *texts, *self.trained())
        options = {"lines": 1, "backend": "pocketsphinx"}
        return evaluate(*inputs, self.to("evaluate", "evaluation"), **options, **self.models)  # pyright: ignore[reportArgumentType]

    def publish(self) -> Ledger:
        from voicemill.stages.publish import publish

        texts = (self.of("apply-review", "clips"), self.of("apply-review", "transcripts"))
        inputs = (*self.trained(), self.of("evaluate", "evaluation"), *texts, self.of("format", "dataset"))
        target = self.to("publish", "voice")
        return publish(*inputs, target, self.of("ingest", "audio"), speaker="anna", export=True, **self.models)

    def synthesize(self) -> Ledger:
        from voicemill.stages.synthesize import synthesize

        return synthesize(self.of("publish", "voice"), self.to("synthesize", "speech"), text=LINE, **self.models)

    def join(self) -> Ledger:
        from voicemill.stages.join import join

        return join(self.of("synthesize", "speech"), self.to("join", "audio"), title="A morning")

    def report(self) -> Ledger:
        from voicemill.stages.report import report

        names = "audio ingest, vocals separate, levelled normalize, clips apply-review, transcripts apply-review"
        names += ", voice publish, evaluation evaluate, speech synthesize"
        places = [each.split() for each in names.split(", ")]
        folders = {artifact: self.of(stage, artifact) for artifact, stage in places}
        sovits, gpt = self.trained()
        measures = self.of("assess-quality", "measures.json")
        target = self.to("report", "report.html")
        return report(target, measures=measures, sovits=sovits, gpt=gpt, run_speaker="anna", **folders)

    def make_corpus(self) -> Ledger:
        from voicemill.stages.make_corpus import make_corpus

        targets = (self.to("make-corpus", "clips"), self.to("make-corpus", "transcripts"))
        return make_corpus(*targets, minutes=0.1, speakers=2)

    def train_content_encoder(self) -> Ledger:
        from voicemill.stages.train_content_encoder import train_content_encoder

        config = content_encoder.configuration()
        config.conv_dim, config.intermediate_size, config.num_conv_pos_embeddings = [16] * 7, 32, 3
        targets = [self.to("train-content-encoder", name) for name in ("encoder", "state")]
        corpus = self.made / "corpus"
        with mock.patch.object(content_encoder, "configuration", lambda layers: config):
            return train_content_encoder(corpus / "clips", corpus / "transcripts", *targets, epochs=1, batch_size=8)

    def init_base(self) -> Ledger:
        from voicemill.stages.init_base import init_base

        small = base.configuration()
        small["model"] |= {"inter_channels": 16, "hidden_channels": 16, "filter_channels": 16}
        small["model"] |= {"upsample_initial_channel": 32}
        clips, target = self.made / "corpus" / "clips", str(self.to("init-base", "base"))
        with mock.patch.object(base, "configuration", lambda: deepcopy(small)):
            return init_base(self.of("train-content-encoder", "encoder"), clips, destination=target, codes=12)

    def package_base(self) -> Ledger:
        from voicemill.stages.package_base import package_base

        encoder = self.of("train-content-encoder", "encoder")
        return package_base(encoder, *self.trained(), destination=str(self.to("package-base", "base")))

    def prepare_models(self) -> Ledger:
        from voicemill.stages.prepare_models import prepare_models

        target = self.to("prepare-models", "models")
        return prepare_models(destination=str(target), source=str(self.made / "models"), models="v2")

    def plan_script(self) -> Ledger:
        from voicemill.stages.plan_script import plan_script

        voice = str(self.of("publish", "voice"))
        return plan_script(self.to("plan-script", "plan"), script=f"{LINE}\n\nAnd good night.", voices=voice)

    def collect_speech(self) -> Ledger:
        from voicemill.stages.collect_speech import collect_speech

        plan, target = self.of("plan-script", "plan"), self.to("collect-speech", "manifest.jsonl")
        ledgers = write_ledgers(plan, read_plan(plan), self.out / "ledgers")
        return collect_speech(plan, ledgers, target, place="speech/{speaker}/{shard}")

    def registry(self, name: str) -> str:
        """A registry in which the voice and one that another was promoted before are; it notes when that was."""
        place = self.out / "registries" / name
        store = open_store(place)
        old = publish(make_voice(self.out / "voices" / name), store)
        publish(self.of("publish", "voice"), store)
        if name == "promote":
            promote(store, resolve(store, Reference("anna", old.version)), "prod", by="a test", why="It is the first.")
        return str(place)

    def check_build_cache(self) -> Ledger:
        from voicemill.stages.check_build_cache import check_build_cache

        source = str(self.made / "recordings")
        return check_build_cache(
            speaker="anna", source=source, registry=self.registry("check-build-cache"), **self.models
        )

    def compare(self) -> Ledger:
        from voicemill.stages.compare import compare

        place = self.registry("compare")
        store, voice = open_store(Path(place)), self.of("publish", "voice")
        version = publish(voice, store).version
        promote(store, resolve(store, Reference("anna", version)), "prod", by="a test", why="It speaks.")
        options = {"speaker": "anna", "compare_lines": 1, "backend": "pocketsphinx"}
        return compare(voice, self.to("compare", "comparison"), registry=place, **options, **self.models)  # pyright: ignore[reportArgumentType]

    def promote(self) -> Ledger:
        from voicemill.stages.promote import promote

        comparison, target = self.of("compare", "comparison"), self.to("promote", "admission")
        return promote(comparison, target, digest="d", registry=self.registry("promote"))


ON_A_CLUSTER = {"run-batch": "starts workflows and notes when", "batch-report": "tells how long those workflows took"}
"""Stages whose inputs are a cluster's workflows, which no two runs share; tests/batch has them."""
OF_THE_MACHINE = {"peak_memory_gib"}
"""What a summary says of the machine rather than of the outputs."""
CASES: dict[str, Callable[[Run], Ledger]] = {
    name.replace("_", "-"): getattr(Run, name)
    for name in vars(Run)
    if not name.startswith("_") and name not in ("of", "to", "trained", "registry")
}


def main(made: Path, first: Path, out: Path) -> None:
    """Run all; the ledgers go beside the outputs."""
    run = Run(made, first, out)
    skipped = () if shutil.which("flite") else ("make-corpus",)
    for name, case in CASES.items():
        if name in skipped:
            continue
        if first != out:
            wait_for(first / name / "ledger.json")
        print(name, file=sys.stderr, flush=True)
        ledger = case(run)
        told = {key: value for key, value in ledger.summary().items() if key not in OF_THE_MACHINE}
        entries = json.dumps([*ledger.entries, told], ensure_ascii=False)
        run.to(name, "ledger.json").write_text(entries, encoding="utf-8")


def wait_for(made: Path) -> None:
    """Wait until a file has been there for a second: what is made then has another time of day."""
    while not made.exists() or time.time() - made.stat().st_mtime < 1:
        time.sleep(0.05)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main(*map(Path, sys.argv[1:]))
