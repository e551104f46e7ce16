"""Torch's zip files, read without running anything in them and without believing what they say about themselves.

A `.pth` is a zip of one pickle and the bytes of every tensor. A pickle is a program that calls functions; here it may
make tensors, plain containers and `utils.HParams`, the attribute holder of GPT-SoVITS's configurations, and nothing
else. Sizes are checked before memory is taken for them.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from voicemill.core.display import display
from voicemill.core.untrusted.files import Unreadable
from voicemill.core.untrusted.nesting import check_size
from voicemill.gpt_sovits.formats.pickle_writer import HParams

MOST_PICKLE_BYTES = 2**24
"""A large model's pickle has a fifth of a megabyte."""
MOST_VALUES = 1_000_000
DEEPEST = 64
MOST_RECORDS = 100_000
_LOCAL_HEADER = 30
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class UnreadableCheckpoint(Exception):
    """The file is damaged, or holds what no checkpoint needs; the message is a clause that says what."""


def read_archive(path: Path) -> Any:
    """Return what the pickle of a torch zip file holds; the zip's first two bytes may have been replaced.

    Raises:
        UnreadableCheckpoint: With the reason.
    """
    with path.open("rb") as file:
        records = _Records(file)
        try:
            contents = _Unpickler(records).load()
            # Nobody may walk or print what has not been counted.
            check_size(contents, _children, most=MOST_VALUES, deepest=DEEPEST)
            return contents
        except UnreadableCheckpoint:
            raise
        except Unreadable as error:
            raise UnreadableCheckpoint(f"its pickle cannot be used: {error}") from error
        except Exception as error:  # whatever a damaged or hostile pickle provokes means the same
            raise UnreadableCheckpoint(
                f"its pickle cannot be read: {type(error).__name__} {display(error, 100)}"
            ) from error


def _children(value: Any) -> Iterable[Any] | None:
    if isinstance(value, HParams):
        value = vars(value)
    if isinstance(value, dict):
        return (each for pair in value.items() for each in pair)
    return value if isinstance(value, list | tuple) else None


class _Records:
    """The stored files of a zip: none compressed, none beyond the file's end, all together no larger than the file."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        try:
            entries = zipfile.ZipFile(file).infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
            raise UnreadableCheckpoint(f"it is not a zip file, or was truncated ({display(error)})") from error
        if len(entries) > MOST_RECORDS or len({entry.filename for entry in entries}) < len(entries):
            raise UnreadableCheckpoint("its zip directory names the same file twice, or too many files")
        if any(entry.compress_type or entry.file_size != entry.compress_size for entry in entries):
            raise UnreadableCheckpoint("it is compressed, which torch never does, and could unpack to any size")
        if sum(entry.file_size for entry in entries) > self.size:
            raise UnreadableCheckpoint("its zip directory claims more bytes than the file has")
        pickles = [entry.filename for entry in entries if entry.filename.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise UnreadableCheckpoint("it is not a zip file that torch wrote")
        self.entries = {entry.filename: entry for entry in entries}
        self.root = pickles[0].removesuffix("data.pkl")
        if self.entries[pickles[0]].file_size > MOST_PICKLE_BYTES:
            raise UnreadableCheckpoint("its pickle is larger than any model's")
        if f"{self.root}byteorder" in self.entries and self.read("byteorder") != b"little":
            raise UnreadableCheckpoint("it was written on a big-endian machine")

    def read(self, name: str) -> bytearray:
        """Return the bytes of a file of the zip."""
        entry = self.entries.get(self.root + name)
        if entry is None:
            raise UnreadableCheckpoint(f"it lacks {display(name)}, which its pickle refers to")
        self.file.seek(entry.header_offset)
        header = self.file.read(_LOCAL_HEADER)
        # The first file's header begins with the two bytes that may tell the version.
        if len(header) < _LOCAL_HEADER or header[2:4] != b"\x03\x04":
            raise UnreadableCheckpoint(f"its zip directory is wrong about {display(name)}")
        self.file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
        content = bytearray(entry.file_size)
        if self.file.readinto(content) != entry.file_size or zlib.crc32(content) != entry.CRC:  # pyright: ignore[reportAttributeAccessIssue]
            raise UnreadableCheckpoint(f"its part {display(name)} is damaged or cut off")
        return content


class _Unpickler(pickle._Unpickler):
    """An interpreter of pickles that knows just the instructions of checkpoints, and four things by name."""

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, records: _Records):
        super().__init__(io.BytesIO(records.read("data.pkl")))
        self.records = records
        self.storages: dict[str, Tensor] = {}
        self.tensor_bytes = 0

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) in (("utils", "HParams"), ("collections", "OrderedDict")):
            return HParams if name == "HParams" else OrderedDict
        raise UnreadableCheckpoint(f"it asks to call {display(module)}.{display(name)}, which no checkpoint needs")

    def persistent_load(self, pid: Any) -> Tensor:
        """Return a storage as a flat tensor: `("storage", type, file, device, elements)`."""
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage"):
            raise UnreadableCheckpoint("it refers to something other than a tensor storage")
        _, dtype, key, _, count = pid
        if not isinstance(dtype, torch.dtype) or not isinstance(key, str) or not _natural(count):
            raise UnreadableCheckpoint("it refers to a tensor storage in a way torch does not")
        entry = self.records.entries.get(f"{self.records.root}data/{key}")
        if entry is not None and entry.file_size != count * dtype.itemsize:
            raise UnreadableCheckpoint(
                f"it says that data/{display(key)} has {count} numbers, but it has {entry.file_size} bytes"
            )
        if key not in self.storages:
            content = self.records.read(f"data/{key}")
            self.storages[key] = torch.frombuffer(content, dtype=dtype) if count else torch.empty(0, dtype=dtype)
        storage = self.storages[key]
        if storage.dtype != dtype:
            raise UnreadableCheckpoint(f"it reads data/{display(key)} as two different types")
        return storage

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
        """A view of a storage, as `torch._utils._rebuild_tensor_v2`; its gradient flag and hooks are left out."""
        if not isinstance(storage, Tensor) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise UnreadableCheckpoint("it holds a tensor that torch did not write")
        if len(size) != len(stride) or len(size) > 8 or not all(_natural(n) for n in (offset, *size, *stride)):
            raise UnreadableCheckpoint("it holds a tensor of impossible shape")
        count = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        # More elements than numbers behind them would let a small file ask for any amount of memory.
        if count and (last >= len(storage) or count > len(storage)):
            raise UnreadableCheckpoint(
                f"it holds a tensor of {tuple(size)}, more than the {len(storage)} numbers behind it"
            )
        self.tensor_bytes += count * storage.itemsize
        if self.tensor_bytes > 4 * self.records.size:
            raise UnreadableCheckpoint("its tensors are larger than the file")
        return storage.as_strided(size, stride, offset) if count else storage.new_empty(size)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._set(self.stack[-1], items)

    def _set(self, holder: Any, items: list[Any]) -> None:
        # Keys of other types may take for ever to hash: a tuple of tuples that are shared is hashed part by part.
        if not isinstance(holder, dict) or not all(type(key) in (str, int) for key in items[::2]):
            raise UnreadableCheckpoint("it has a dictionary whose keys are neither texts nor integers")
        holder.update(zip(items[::2], items[1::2], strict=True))

    def load_append(self) -> None:
        item = self.stack.pop()
        self._extend(self.stack[-1], [item])

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._extend(self.stack[-1], items)

    def _extend(self, holder: Any, items: list[Any]) -> None:
        if not isinstance(holder, list):
            raise UnreadableCheckpoint("it appends to something other than a list")
        holder.extend(items)

    def load_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack[-1]
        made_here = function in (_parameter, OrderedDict) or function == self._tensor
        if not made_here or not isinstance(arguments, tuple) or (function is OrderedDict and arguments):
            raise UnreadableCheckpoint("it calls something other than tensor constructors")
        self.stack[-1] = function(*arguments)

    def load_newobj(self) -> None:
        arguments, made = self.stack.pop(), self.stack.pop()
        if made not in (HParams, OrderedDict) or arguments != ():
            raise UnreadableCheckpoint("it creates an object of a class that no checkpoint needs")
        self.append(made())

    def load_build(self) -> None:
        state, holder = self.stack.pop(), self.stack[-1]
        if isinstance(holder, OrderedDict):
            return  # module state dicts carry their versions like this; nobody here reads them
        if not isinstance(holder, HParams) or not isinstance(state, dict) or not all(map(_is_text, state)):
            raise UnreadableCheckpoint("it sets the inner state of an object that has none")
        vars(holder).update(state)

    def refuse(self) -> None:
        raise UnreadableCheckpoint("its pickle has instructions that no checkpoint needs")

    _KNOWN = (
        *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK),
        *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
        *(pickle.BINFLOAT, pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.SHORT_BINBYTES, pickle.BINBYTES),
        *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
        *(pickle.EMPTY_LIST, pickle.EMPTY_DICT),
        *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET, pickle.MEMOIZE),
        *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID),
    )
    _OURS = {  # noqa: RUF012
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
    }
    dispatch: dict[int, Any] = dict.fromkeys(range(256), refuse)  # pyright: ignore[reportIncompatibleVariableOverride]
    dispatch.update((code[0], pickle._Unpickler.dispatch[code[0]]) for code in _KNOWN)
    dispatch.update(_OURS)


def _parameter(tensor: Any, *_: Any) -> Tensor:
    """`torch._utils._rebuild_parameter`: the tensor alone."""
    if not isinstance(tensor, Tensor):
        raise UnreadableCheckpoint("it holds a parameter that is not a tensor")
    return tensor


def _natural(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**48


def _is_text(key: Any) -> bool:
    return isinstance(key, str)


def plain(value: Any, *, most: int = 10_000) -> Any:
    """Configurations as plain dicts and lists of numbers and texts.

    Args:
        value: What an archive holds.
        most: Values that it may have in all; one that holds itself, or the same part over and over, has more.

    Raises:
        UnreadableCheckpoint: If it has more, or holds something other than plain values.
    """
    left = [most]

    def convert(value: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > 32:
            raise UnreadableCheckpoint("its configuration is larger than any model's")
        if isinstance(value, HParams):
            value = vars(value)
        if isinstance(value, Mapping):
            return {str(key): convert(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [convert(item, depth + 1) for item in value]
        if value is None or isinstance(value, str | int | float | bool):
            return value
        raise UnreadableCheckpoint(f"its configuration holds a {type(value).__name__}")

    return convert(value, 0)
