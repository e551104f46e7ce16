"""Permissions that hold for tests too: root, as whom containers run tests, is otherwise allowed everything."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_VERSION_3 = 0x20080522
_DAC = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_SETPRIV = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@contextmanager
def permissions_hold() -> Iterator[None]:
    """Lay down root's right to read and write what permissions forbid, in this thread, until the block ends."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0), 8)
    before = ctypes.create_string_buffer(24)  # effective, permitted, inheritable; twice
    if libc.capget(header, before):
        pytest.skip("capabilities cannot be read here, so permissions do not hold for root")
    effective, *rest = struct.unpack("=6I", before.raw)
    if libc.capset(header, ctypes.create_string_buffer(struct.pack("=6I", effective & ~_DAC, *rest), 24)):
        pytest.skip("capabilities cannot be changed here, so permissions do not hold for root")
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


def bound(*command: str) -> list[str]:
    """A command line of a process for which permissions hold."""
    if os.geteuid() != 0:
        return [*command]
    if not shutil.which(_SETPRIV[0]):
        pytest.skip("setpriv is not here, so permissions do not hold for root")
    return [*_SETPRIV, *command]
