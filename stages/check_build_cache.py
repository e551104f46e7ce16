"""Look whether a voice was built already from the same recordings, models, code and parameters.

Reads   source, models, speaker_of, transcripts_file, lexicon, review, consent   by their content
        registry                                           what was built from what
Writes  (its results: `digest` of all that, `known`: the version that was built from it, or empty)
"""

from voicemill.contract import Destination, FileLocation, FolderLocation, Ledger, Location, TextOrFile, stage
from voicemill.registry.names import SpeakerName


@stage(family="publish", cpu=1, memory="2Gi", results=("digest", "known"))
def check_build_cache(
    *,
    speaker: SpeakerName,
    source: Location,
    models: FolderLocation,
    registry: Destination,
    speaker_of: FileLocation = "",
    transcripts_file: FileLocation = "",
    lexicon: FileLocation = "",
    review: FileLocation = "",
    consent: TextOrFile = "",
    config: TextOrFile = "",
    run_parameters: str = "",
) -> Ledger:
    """Look whether a voice was built already from the same recordings, models, code and parameters.

    Args:
        speaker: Name of the voice.
        source: The recordings.
        models: The pretrained models.
        registry: Folder or s3:// address of the registry.
        speaker_of: A sample of the right person, if several speak.
        transcripts_file: Transcripts of the recordings, if there are any.
        lexicon: Pronunciations, if there are any.
        review: An approved.json of an earlier review, if there is one.
        consent: What the speaker agreed to, in words or as a file.
        config: Options of stages, of which the content counts.
        run_parameters: The run's parameters as JSON, an object or Argo's list of names and values.
    """
    from voicemill.audio.recordings import consent_of
    from voicemill.contract import config as configs
    from voicemill.contract.parameters import of_run
    from voicemill.registry import builds, open_registry, tombstones
    from voicemill.voice.stages import STAGES

    parameters = of_run(run_parameters)
    sections = {stage: own for stage, own in configs.read(config).items() if stage.replace("-", "_") in STAGES}
    places = {"source": source, "models": models, "lexicon": lexicon, "review": review}
    places |= {"speaker-of": speaker_of, "transcripts-file": transcripts_file}
    parameters |= {**places, "consent": consent_of(consent), "config": configs.text_of(sections)}
    store = open_registry(registry)
    tombstones.refuse(store, speaker)
    digest = builds.digest(parameters)
    build = builds.built(store, speaker, digest)
    known = build.version if build else ""
    ledger = Ledger()
    ledger.keep(speaker, digest=digest, known=known)
    ledger.note(digest=digest, known=known)
    return ledger


if __name__ == "__main__":
    check_build_cache.main()
