"""JSON as Go writes it: workflows compare and hand on Argo's texts as they are."""

from __future__ import annotations

import json
from typing import Any

_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def marshal(value: Any, *, sort_keys: bool = True) -> str:
    """Return what Go's `json.Marshal` gives: no spaces, a map's keys in order, and none of HTML's own characters.

    Args:
        value: Anything made of JSON's types.
        sort_keys: False for what is a struct in Go, whose fields keep their order.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).translate(_ESCAPED)
