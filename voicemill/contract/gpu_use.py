"""How long a stage holds a GPU, over all its tries that are known."""

from __future__ import annotations

import os
import time
from typing import Any

from voicemill import storage
from voicemill.contract.template import KEYS
from voicemill.core import hardware, untrusted
from voicemill.core.errors import InputError, Interrupted, TryAgain, Unavailable
from voicemill.core.gpu_cost import CLASSES
from voicemill.core.logs import get_logger

log = get_logger(__name__)

ENGINE_GPUS = "VOICEMILL_GPUS"
"""Environment variable with the numbers of the GPUs that the embedded engine gave a task."""
_BEGUN = time.monotonic()
"""When this process had just begun."""


class GpuUse:
    """What a try of a stage uses of a GPU; nothing where it was given none.

    Args:
        stage: Its name.
        gpu_memory: What it asks for.
    """

    def __init__(self, stage: str, gpu_memory: str | None) -> None:
        given = os.environ.get(hardware.GPU_GIVEN) or os.environ.get(ENGINE_GPUS)
        self.gpu_class = CLASSES.get(gpu_memory or "", "") if given else ""
        self._before = _seconds_before(stage) if self.gpu_class else 0.0

    def fields(self) -> dict[str, Any]:
        """Return its class and seconds until now, for the ledger and the summary."""
        if not self.gpu_class:
            return {}
        seconds = self._before + time.monotonic() - _BEGUN
        return {"gpu_class": self.gpu_class, "gpu_seconds": round(seconds, 1)}


def _seconds_before(stage: str) -> float:
    """Return the seconds of the tries before, by the ledger that the last of them left in the bucket.

    A try that was lost with its node left none, and is not known here; Argo knows it, and the batch's summary with it.
    """
    tries, keys = os.environ.get("VOICEMILL_RETRIES", "0"), os.environ.get(KEYS, "").strip("/")
    if tries in ("", "0") or not keys or not os.environ.get("S3_BUCKET"):
        return 0.0
    ledger = f"ledgers/{stage}.jsonl"
    try:
        store = storage.open_store(f"s3:///{keys}")
        rows = untrusted.parse_json_lines(store.read(ledger)[0], ledger, nan=True) if store.find(ledger) else iter(())
        seconds = next((row.get("gpu_seconds") for _, row in rows), None)
    except Interrupted:
        raise
    except (InputError, Unavailable, TryAgain) as error:
        log.info("the GPU seconds of the tries before are not known: %s", error)
        return 0.0
    return float(seconds) if isinstance(seconds, int | float) else 0.0
