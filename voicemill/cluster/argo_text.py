"""Which texts Argo passes on as they are, and which it changes or stumbles over.

Argo inserts a value into a template's JSON and searches the result for tags again, so that `{{=1+1}}` in a user's text
becomes 2 and `{{name}}` an error. It quotes values as Go does, and JSON knows no `\\x1b`. Measured on Argo 4.1.2, see
"Text with braces" in docs/how-to/cluster.md; the conformance table has the cases.
"""

from __future__ import annotations


def problem_of(text: str) -> str:
    """Return why Argo would not pass a text on as it is; empty if it would."""
    if "{{" in text:
        return "contains {{, which Argo would evaluate"
    odd = next((character for character in text if not _survives(character)), None)
    return "" if odd is None else f"has the character U+{ord(odd):04X}, which Argo cannot transmit"


def _survives(character: str) -> bool:
    # strconv.Quote writes these as \\a, \\v, \\x.. and \\U........, none of which is JSON.
    code = ord(character)
    if code < 32:
        return character in "\b\f\n\r\t"
    return code != 127 and (code < 0x10000 or character.isprintable())
