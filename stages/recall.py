"""Look whether a voice was built already from the same recordings, models, code and parameters.

Reads   source, models, labels, lexicon   by their digests
        registry                          what was built from what
Writes  (its results: `digest` of all that, `known`: the version that was built from it, or empty)
"""

from voicemill.contract import Destination, Ledger, Location, stage


@stage(family="publish", cpu=1, memory="2Gi", results=("digest", "known"))
def recall(
    *,
    speaker: str,
    source: Location,
    models: Location,
    registry: Destination,
    labels: Location = "",
    lexicon: Location = "",
    run_parameters: str = "",
) -> Ledger:
    """Look whether a voice was built already from the same recordings, models, code and parameters.

    Args:
        speaker: Name of the voice.
        source: The recordings.
        models: The pretrained models.
        registry: Folder or s3:// address of the registry.
        labels: Transcripts of the recordings, if there are any.
        lexicon: Pronunciations, if there are any.
        run_parameters: The run's parameters as JSON, an object or Argo's list of names and values.
    """
    from voicemill.building import dependencies
    from voicemill.contract.parameters import of_run
    from voicemill.registry import tombstones
    from voicemill.storage import open_store

    parameters = of_run(run_parameters)
    parameters |= {"source": source, "models": models, "labels": labels, "lexicon": lexicon}
    store = open_store(registry)
    tombstones.refuse(store, speaker)
    digest = dependencies.digest(parameters)
    build = dependencies.built(store, speaker, digest)
    known = build.version if build else ""
    ledger = Ledger()
    ledger.keep(speaker, digest=digest, known=known)
    ledger.note(digest=digest, known=known)
    return ledger


if __name__ == "__main__":
    recall.main()
