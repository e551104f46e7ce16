"""A socket to listen at."""

from __future__ import annotations

import socket

from voicemill.core.errors import UsageError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound; port 0 takes any that is free.

    Raises:
        UsageError: If the address or port is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise UsageError(f"cannot listen at {host}:{port} ({error.strerror}); give another --port") from error
    return listening
