"""Putting up with a cluster, or an S3 server, that is away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from voicemill.core.errors import Interrupted, TryAgain
from voicemill.core.logs import get_logger

T = TypeVar("T")
log = get_logger(__name__)
SECONDS_AWAY = 300.0
SECONDS_BETWEEN_TRIES = 2.0


def retry_while_unavailable(call: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Return what a call returns, tried again while it says so, for five minutes.

    Args:
        call: May be made any number of times.
        sleep: Waits between two tries.

    Raises:
        TryAgain: the last one.
        Interrupted: at once.
    """
    since: float | None = None
    while True:
        try:
            return call()
        except Interrupted:
            raise
        except TryAgain as error:
            if since is None:
                since = time.monotonic()
                log.warning("%s; trying again", error)
            if time.monotonic() - since > SECONDS_AWAY:
                raise
            sleep(SECONDS_BETWEEN_TRIES)
