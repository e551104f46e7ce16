"""Logging for stages: readable on a terminal, JSON lines in a pod.

    log = get_logger(__name__)
    log.info("cut %s", recording, clips=12, seconds=83.1)

Keyword arguments become fields of the line. Run, stage and speaker are on every JSON line. `VOICEMILL_LOG` chooses the
form: `json`, `otel` (JSON with the names of OpenTelemetry's log data model), `text`, or unset, which is text.
`VOICEMILL_LOG_LEVEL` sets the level of voicemill's own loggers.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

from voicemill.core.display import json_printable, printable

if TYPE_CHECKING:
    from rich.console import Console

_SEVERITY = {logging.DEBUG: 5, logging.INFO: 9, logging.WARNING: 13, logging.ERROR: 17, logging.CRITICAL: 21}
_STANDARD_KEYWORDS = {"exc_info", "stack_info", "stacklevel", "extra"}


class FieldLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose methods take fields as keyword arguments."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        fields = {key: kwargs.pop(key) for key in list(kwargs) if key not in _STANDARD_KEYWORDS}
        kwargs["extra"] = {**(kwargs.get("extra") or {}), "fields": fields}
        return msg, kwargs


def get_logger(name: str) -> FieldLogger:
    """Return the logger of a module, also of a program's; its level methods accept fields as keyword arguments."""
    spec = sys.modules["__main__"].__spec__ if name == "__main__" else None
    name = spec.name if spec else name
    return FieldLogger(logging.getLogger(name), {})


@cache
def console() -> Console:
    """Return the terminal on stderr, shared by log lines and progress bars so that neither overwrites the other."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "fields", {})


class TextFormatter(logging.Formatter):
    """`12:30:01 cut lj-01.wav clips=12`, with the level when it is a warning or worse."""

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        trace = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return printable(f"{self.formatTime(record, '%H:%M:%S')} {level}{record.getMessage()}{fields}{trace}")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, run, stage, speaker, message, then the call's own fields."""

    def __init__(self, **context: str) -> None:
        super().__init__()
        self.context = {key: value for key, value in context.items() if value}

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            **self.context,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json_printable(json.dumps(line, ensure_ascii=False, default=str))


class OtelFormatter(JsonFormatter):
    """One JSON object a line by OpenTelemetry's log data model: what a line is about are attributes `voicemill.*`."""

    def format(self, record: logging.LogRecord) -> str:
        attributes = {f"voicemill.{key}": value for key, value in {**self.context, **_fields(record)}.items()}
        if record.exc_info:
            attributes["exception.stacktrace"] = self.formatException(record.exc_info)
        line = {
            "Timestamp": int(record.created * 1e9),
            "SeverityText": record.levelname,
            "SeverityNumber": _SEVERITY.get(record.levelno, 9),
            "Body": record.getMessage(),
            "Resource": {"service.name": "voicemill"},
            "InstrumentationScope": {"name": record.name},
            "Attributes": attributes,
        }
        return json_printable(json.dumps(line, ensure_ascii=False, default=str))


class _ConsoleHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = "red" if record.levelno >= logging.ERROR else "yellow" if record.levelno >= logging.WARNING else None
        console().print(self.format(record), markup=False, style=style)


def set_up(stage: str = "") -> None:
    """Send log lines to stderr in the form that suits where it leads.

    Args:
        stage: Name of the stage, put on every JSON line; the speaker comes from `VOICEMILL_SPEAKER`, the name of the
            workflow that it is run in from `VOICEMILL_WORKFLOW`.
    """
    handler: logging.Handler
    form = {"json": JsonFormatter, "otel": OtelFormatter}.get(os.environ.get("VOICEMILL_LOG", ""))
    if form and not sys.stderr.isatty():
        run, speaker = os.environ.get("VOICEMILL_WORKFLOW", ""), os.environ.get("VOICEMILL_SPEAKER", "")
        handler = logging.StreamHandler()
        handler.setFormatter(form(run=run, stage=stage, speaker=speaker))
    else:
        handler = _ConsoleHandler() if sys.stderr.isatty() else logging.StreamHandler()
        handler.setFormatter(TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    level = os.environ.get("VOICEMILL_LOG_LEVEL", "INFO").upper()
    for package in ("voicemill", "stages"):
        logging.getLogger(package).setLevel(level)
    logging.captureWarnings(True)
