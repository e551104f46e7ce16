"""Crafted files are refused with 65, quickly, and nothing of them happens."""

from __future__ import annotations

import builtins
import functools
import io
import os
import pickle
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.voice.conftest import reference, write_pair
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats import checkpoints, gpt_sovits_files, pickle_writer, safe_reader
from voicemill.voice import inspecting


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Storage:
    """Pickles as a tensor storage that a zip file is said to hold."""

    def __init__(self, *pid: Any):
        self.pid = pid


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Storage) else None


def zipped(path: Path, contents: Any, files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """A torch zip file with this pickle (an object, or the pickle itself) and these files."""
    if not isinstance(contents, bytes):
        buffer = io.BytesIO()
        _Pickler(buffer, 2).dump(contents)
        contents = buffer.getvalue()
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", contents)
        for name, content in files.items():
            file.writestr(f"archive/{name}", content)
    return path


def tensor(storage: Storage, size: tuple, stride: tuple, offset: int = 0) -> Calls:
    return Calls(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, {})


FOUR = Storage("storage", torch.FloatStorage, "0", "cpu", 4)
BYTES = {"data/0": bytes(16)}


def of_weights(weight: Any, config: Any = None) -> dict[str, Any]:
    return {"weight": {"enc_p.text_embedding.weight": weight}, "config": config or {}, "info": ""}


def os_system(path: Path) -> None:
    zipped(path, of_weights(Calls(os.system, f"touch {path.parent}/ran")), {})


def eval_in_config(path: Path) -> None:
    zipped(
        path,
        of_weights(tensor(FOUR, (4,), (1,)), {"a": [Calls(builtins.eval, f"open('{path.parent}/ran','w')")]}),
        BYTES,
    )


def pickle_in_pickle(path: Path) -> None:
    inner = pickle.dumps(Calls(os.system, f"touch {path.parent}/ran"))
    zipped(path, of_weights(Calls(pickle.loads, inner)), {})


def torch_load_inside(path: Path) -> None:
    zipped(path, of_weights(Calls(torch.load, str(path.parent / "other.pth"))), {})


def code_as_persistent_id(path: Path) -> None:
    zipped(path, of_weights(Storage(Calls(os.system, f"touch {path.parent}/ran"))), {})


def call_of_a_tensor_type(path: Path) -> None:
    zipped(path, of_weights(Calls(torch.FloatStorage, 10**12)), {})


def list_of_arguments(path: Path) -> None:
    """OrderedDict is admitted; a call of it with something to go through is not."""
    zipped(path, b"\x80\x02ccollections\nOrderedDict\n]\x85R.", {})


def set_attributes_of_the_class(path: Path) -> None:
    """BUILD on the class itself, which would change it for everything that is read later."""
    zipped(path, b"\x80\x02cutils\nHParams\nN}X\x08\x00\x00\x00poisonedK\x01s\x86b.", {})


def set_defaults_of_the_function(path: Path) -> None:
    zipped(path, b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x08\x00\x00\x00poisonedK\x01s\x86b.", {})


def old_instruction(path: Path) -> None:
    zipped(path, b"(S'touch ran'\nios\nsystem\n.", {})


def compressed_bomb(path: Path) -> None:
    zipped(path, of_weights(tensor(FOUR, (4,), (1,))), {"data/0": bytes(10**8)}, zipfile.ZIP_DEFLATED)


def directory_that_lies(path: Path) -> None:
    zipped(path, of_weights(tensor(FOUR, (4,), (1,))), BYTES)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(content)


def storage_that_lies(path: Path) -> None:
    more = Storage("storage", torch.FloatStorage, "0", "cpu", 10**9)
    zipped(path, of_weights(tensor(more, (4,), (1,))), BYTES)


def tensor_beyond_its_storage(path: Path) -> None:
    zipped(path, of_weights(tensor(FOUR, (4, 4), (4, 1))), BYTES)


def offset_before_its_storage(path: Path) -> None:
    zipped(path, of_weights(tensor(FOUR, (4,), (1,), offset=-4)), BYTES)


def tensor_of_a_million_millions(path: Path) -> None:
    torch.save({"weight": {"x": torch.zeros(1).expand(10**6, 10**6)}, "config": {}, "info": ""}, path)


def the_same_file_twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as file:
        for content in (b"}.", b"}."):
            file.writestr("archive/data.pkl", content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def flipped_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def no_zip(path: Path) -> None:
    path.write_bytes(pickle.dumps(Calls(os.system, f"touch {path.parent}/ran")))


def rewritten(path: Path, change: Callable[[dict[str, Any]], None], header: str = "PK") -> None:
    contents = gpt_sovits_files.read_reference_file(path)
    contents["config"] = safe_reader.plain(contents["config"])
    change(contents)
    contents["config"] = pickle_writer.held(contents["config"])
    pickle_writer.write_reference_file(path, contents, header)


def wrong_shape(path: Path) -> None:
    rewritten(path, lambda contents: contents["weight"].update({"enc_p.proj.bias": torch.zeros(3)}))


def missing_weight(path: Path) -> None:
    rewritten(path, lambda contents: contents["weight"].pop("enc_p.proj.bias"))


def not_a_number(path: Path) -> None:
    rewritten(path, lambda contents: contents["weight"]["enc_p.proj.bias"].fill_(torch.nan))


def a_billion_layers(path: Path) -> None:
    rewritten(path, lambda contents: contents["config"]["model"].update(n_layers=10**9))


def a_text_for_a_size(path: Path) -> None:
    rewritten(path, lambda contents: contents["config"]["model"].update(upsample_rates="many"))


def header_of_another_version(path: Path) -> None:
    path.write_bytes(b"06" + path.read_bytes()[2:])


def configuration_that_doubles_and_doubles(path: Path) -> None:
    grows: list[Any] = []
    for _ in range(60):
        grows = [grows, grows]
    rewritten(path, lambda contents: None)
    contents = gpt_sovits_files.read_reference_file(path)
    torch.save({**contents, "config": {"model": {}, "more": grows}}, path)


def configuration_that_holds_itself(path: Path) -> None:
    circle: dict[str, Any] = {}
    circle["circle"] = circle
    contents = gpt_sovits_files.read_reference_file(path)
    torch.save({**contents, "config": circle}, path)


def doubled(times: int, kind: type = list) -> Any:
    """A list of the same list twice, over and over: a walk through it takes `2 ** times` steps."""
    found: Any = kind(("ha", "ha"))
    for _ in range(times):
        found = kind((found, found))
    return found


def info_that_doubles(path: Path) -> None:
    contents = gpt_sovits_files.read_reference_file(path)
    torch.save({**contents, "config": {}, "info": doubled(34)}, path)


def iteration_that_doubles(path: Path) -> None:
    contents = gpt_sovits_files.read_reference_file(path)
    torch.save({**contents, "config": {}, "iteration": doubled(34)}, path)


def text_that_is_repeated(path: Path) -> None:
    contents = gpt_sovits_files.read_reference_file(path)
    torch.save({**contents, "config": {}, "info": ["x" * 1_000_000] * 100}, path)


def tuple_that_doubles_as_a_key(path: Path) -> None:
    pickled = b"\x80\x02}K\x01K\x01\x86q\x00"
    for number in range(60):
        pickled += b"h" + bytes([number]) + b"\x86q" + bytes([number + 1])
    zipped(path, pickled + b"K\x01s.", {})


def lists_as_deep_as_the_file(path: Path) -> None:
    zipped(path, b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", {})


def items_for_what_is_no_list(path: Path) -> None:
    """APPENDS calls a method of whatever is on the stack; here one that the file has set."""
    state = b"}X\x06\x00\x00\x00extendccollections\nOrderedDict\nsb"
    zipped(path, b"\x80\x02cutils\nHParams\n)\x81" + state + b"(K\x01K\x02e.", {})


def name_of_escapes(path: Path) -> None:
    zipped(path, b"\x80\x02c\x1b]0;owned\x07\x1b[31m" + b"m" * 1_000_000 + b"\nx\n.", {})


REFUSED_AT_ONCE = [
    info_that_doubles,
    iteration_that_doubles,
    text_that_is_repeated,
    tuple_that_doubles_as_a_key,
    lists_as_deep_as_the_file,
    items_for_what_is_no_list,
    name_of_escapes,
]
CRAFTED = [
    *REFUSED_AT_ONCE,
    os_system,
    eval_in_config,
    pickle_in_pickle,
    torch_load_inside,
    code_as_persistent_id,
    call_of_a_tensor_type,
    list_of_arguments,
    set_attributes_of_the_class,
    set_defaults_of_the_function,
    old_instruction,
    compressed_bomb,
    directory_that_lies,
    storage_that_lies,
    tensor_beyond_its_storage,
    offset_before_its_storage,
    tensor_of_a_million_millions,
    the_same_file_twice,
    truncated,
    flipped_byte,
    no_zip,
]
NOT_TO_BE_SPOKEN_WITH = [
    wrong_shape,
    missing_weight,
    not_a_number,
    a_billion_layers,
    a_text_for_a_size,
    header_of_another_version,
    configuration_that_doubles_and_doubles,
    configuration_that_holds_itself,
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("pair"), "v2")


@functools.cache
def spoken() -> Path:
    """A reference beside none of the files that a test looks at."""
    return reference(Path(tempfile.mkdtemp(prefix="voicemill-reference-")))


def import_into(run, sovits: Path, gpt: Path, out: Path) -> int:
    given = ("--reference", spoken(), "--language", "zh", "--speaker", "ada", "--out", out)
    return run("voices", "import", sovits, gpt, *given)


@pytest.mark.parametrize("header", [b"03", b"04", b"08"])
@pytest.mark.parametrize("craft", CRAFTED)
def test_the_header_of_a_lora_lets_nothing_more_through(
    craft: Callable[[Path], None],
    header: bytes,
    pair: tuple[Path, Path],
    voicemill,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "crafted_e2_s10_l4.pth"
    path.write_bytes(pair[0].read_bytes())
    craft(path)
    path.write_bytes(header + path.read_bytes()[2:])
    before = sorted(tmp_path.rglob("*"))
    assert voicemill("voices", "inspect", path) == 65
    with pytest.raises(InputError, match="crafted_e2_s10_l4"):
        checkpoints.load_sovits(path)
    assert sorted(tmp_path.rglob("*")) == before, "something of it ran"


@pytest.mark.parametrize("craft", CRAFTED + NOT_TO_BE_SPOKEN_WITH)
def test_a_crafted_file_is_refused_and_leaves_nothing(
    craft: Callable[[Path], None],
    pair: tuple[Path, Path],
    voicemill,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "crafted.pth"
    path.write_bytes(pair[0].read_bytes())
    craft(path)
    before = sorted(tmp_path.rglob("*"))
    started = time.process_time()
    assert import_into(voicemill, path, pair[1], tmp_path / "voice") == 65
    assert "crafted.pth" in capsys.readouterr().err
    if craft in CRAFTED:
        assert voicemill("voices", "inspect", path) == 65
        assert import_into(voicemill, pair[0], path, tmp_path / "voice") == 65
    assert time.process_time() - started < 20
    assert sorted(tmp_path.rglob("*")) == before
    assert not hasattr(safe_reader.HParams, "poisoned") and not hasattr(safe_reader._Unpickler._tensor, "poisoned")


@pytest.mark.parametrize("craft", REFUSED_AT_ONCE)
def test_what_would_hang_a_reader_is_refused_within_a_second(
    craft: Callable[[Path], None], pair: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "crafted.pth"
    path.write_bytes(pair[0].read_bytes())
    craft(path)
    started = time.process_time()
    for read in (checkpoints.load_sovits, checkpoints.load_gpt, inspecting.inspect):
        with pytest.raises(InputError) as refused:
            read(path)
        assert str(refused.value).isprintable() and len(str(refused.value)) < 500
    assert time.process_time() - started < 3


def test_what_is_shown_of_a_file_carries_no_escapes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "crafted.pth"
    contents = gpt_sovits_files.read_reference_file(pair[0])
    contents["weight"]["\x1b[31mkey"] = torch.zeros(1)
    torch.save({**contents, "config": {}, "info": "\x1b]0;owned\x07" + "x" * 1000}, path)
    shown = inspecting.as_text(inspecting.inspect(path, keys=True))
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "info: \\x1b]0;owned\\x07xxx" in shown and "  \\x1b[31mkey  float32  1" in shown


def test_a_token_model_of_impossible_sizes_is_refused(pair: tuple[Path, Path], voicemill, tmp_path: Path) -> None:
    gpt = tmp_path / "crafted.ckpt"
    for sizes in ({"n_layer": 10**9}, {"head": 0}, {"hidden_dim": "wide"}, {"embedding_dim": 64, "hidden_dim": 64}):
        checkpoint = checkpoints.load_gpt(pair[1])
        checkpoint.hps["model"].update(sizes)
        checkpoints.export_gpt(gpt, checkpoint)
        assert import_into(voicemill, pair[0], gpt, tmp_path / "voice") == 65
    assert not (tmp_path / "voice").exists()


@pytest.mark.parametrize(
    "about", ["[" * 100_000, "{}", '{"kind": "sovits"}', '{"kind": "sovits", "hps": {}, "info": "", "version": "v9"}']
)
def test_our_own_format_is_not_believed_either(pair: tuple[Path, Path], voicemill, tmp_path: Path, about: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "crafted.safetensors"
    save_file({"x": torch.zeros(2)}, path, {"voicemill": about})
    assert import_into(voicemill, path, pair[1], tmp_path / "voice") == 65
