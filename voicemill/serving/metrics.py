"""What Prometheus is told at `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60)


class Metrics:
    """The counters of one server."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        counter, gauge = self._counter, self._gauge
        self.requests = counter("requests", "Requests for speech by path, voice and status.", "path", "voice", "status")
        self.failures = counter("failures", "Requests that ended before their speech was whole, by cause.", "cause")
        self.characters = counter("characters", "Characters that were asked for.", "voice")
        self.audio = counter("audio_seconds", "Seconds of speech that were made.", "voice")
        self.first_byte = Histogram(
            "voicemill_first_byte_seconds",
            "From a request's arrival to its first sound.",
            ["voice"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.voices = gauge("voice_info", "Voices that are served, and in which version.", "voice", "version")
        self.registry_reached = gauge("registry_reached", "Whether the registry answered when it was last asked.")

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Show a value that is asked for when it is read."""
        self._gauge(name, about).set_function(value)

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"voicemill_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"voicemill_{name}", about, labels, registry=self.registry)
