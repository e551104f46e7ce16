"""Kubernetes events for what a person should know of a batch, on the workflow that conducts it: `kubectl describe`."""

from __future__ import annotations

import os

from voicemill.cluster.kube import Kube
from voicemill.core.errors import VoicemillError
from voicemill.core.logs import get_logger

log = get_logger(__name__)

ENABLED = "VOICEMILL_EVENTS"
"""Environment variable that is set, and not empty, where the conductor may create events."""


class Events:
    """Tells; where it may not or cannot, the batch goes on without.

    Args:
        cluster: Where.
        run: Name of the workflow that conducts the batch.
        uid: That workflow's.
    """

    def __init__(self, cluster: Kube, run: str, uid: str) -> None:
        self._cluster, self._run, self._uid = cluster, run, uid
        self._is_on = bool(os.environ.get(ENABLED))

    def failed_again(self, speaker: str, reason: str) -> None:
        """Tell that a speaker failed who had failed before."""
        self._tell("SpeakerFailedAgain", f"{speaker} failed again: {reason}", is_warning=True)

    def done(self, voices: int, total: int) -> None:
        """Tell that all speakers have ended."""
        self._tell("BatchDone", f"{voices} of {total} speakers have a voice", is_warning=voices < total)

    def _tell(self, reason: str, message: str, *, is_warning: bool) -> None:
        if not self._is_on:
            return
        try:
            self._cluster.event(self._run, self._uid, reason, message, is_warning=is_warning)
        except VoicemillError as error:
            log.warning("no more events are created: %s", error)
            self._is_on = False
