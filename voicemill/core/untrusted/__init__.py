"""Readers of files that anybody may have written: bounded before anything is built, refused in a sentence.

Whatever is wrong with such a file (its size, encoding, nesting, numbers, keys, syntax), the reader raises `InputError`
with the file's name, the place in it and what to do. Nothing else is raised, and no file takes long.
"""

from voicemill.core.untrusted.csv_tables import CsvRow, parse_csv, read_csv
from voicemill.core.untrusted.files import Unreadable, read_bytes, read_text
from voicemill.core.untrusted.json_documents import (
    json_value,
    parse_json,
    parse_json_lines,
    read_json,
    read_json_lines,
)
from voicemill.core.untrusted.safetensors_headers import Header, read_safetensors_header
from voicemill.core.untrusted.shapes import member, shaped
from voicemill.core.untrusted.yaml_documents import parse_yaml, parse_yaml_documents, read_yaml

__all__ = [
    "CsvRow",
    "Header",
    "Unreadable",
    "json_value",
    "member",
    "parse_csv",
    "parse_json",
    "parse_json_lines",
    "parse_yaml",
    "parse_yaml_documents",
    "read_bytes",
    "read_csv",
    "read_json",
    "read_json_lines",
    "read_safetensors_header",
    "read_text",
    "read_yaml",
    "shaped",
]
