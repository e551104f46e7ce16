"""Loaded by each Python process of the run that `benchmarks.whole_job` starts: at its end it writes what it took.

A line of JSON is added to $WHOLE_JOB_USAGE: the module, CPU seconds of the process and its children, CPU seconds in
imports, most memory, and bytes read and written.
"""

import atexit
import builtins
import json
import os
import resource
import sys
import threading
import time

_import = builtins.__import__
_state = threading.local()
_imports = [0.0]


def _timed(*arguments, **named):
    if getattr(_state, "deep", False):
        return _import(*arguments, **named)
    _state.deep = True
    began = time.thread_time()
    try:
        return _import(*arguments, **named)
    finally:
        _state.deep = False
        _imports[0] += time.thread_time() - began


def _report(made_by: int) -> None:
    if os.getpid() != made_by:
        return  # a forked worker; its parent counts it among its children
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    with open("/proc/self/io") as file:
        moved = dict(line.split(": ") for line in file.read().splitlines())
    line = {
        "command": sys.orig_argv[1:],
        "cpu": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "imports": _imports[0],
        "memory": max(own.ru_maxrss, children.ru_maxrss) / 1024,
        "read": int(moved["rchar"]),
        "written": int(moved["wchar"]),
    }
    with open(os.environ["WHOLE_JOB_USAGE"], "a") as file:
        file.write(json.dumps(line) + "\n")


if "WHOLE_JOB_USAGE" in os.environ:
    builtins.__import__ = _timed
    atexit.register(_report, os.getpid())
