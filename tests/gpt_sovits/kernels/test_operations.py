import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from voicemill.core.errors import UsageError
from voicemill.gpt_sovits.kernels.operations import VARIABLE, Plain, Private, operations, what_fails

ROOT = Path(__file__).parents[3]
BOTH = [Plain(), Private()]

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


@pytest.fixture(autouse=True)
def choose_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    operations.cache_clear()
    yield
    operations.cache_clear()


def random(*shapes: tuple[int, ...]) -> list[Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=rng) for shape in shapes]


@pytest.mark.parametrize("with_bias", [True, False])
def test_products_are_the_same(with_bias: bool):
    x, weight, bias = random((37, 64), (48, 64), (48,))
    plain, private = (each.linear(x, weight, bias if with_bias else None) for each in BOTH)
    torch.testing.assert_close(private, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("pack", "times", "tolerance"),
    [
        ("pack_linear", "packed_linear", 1e-5),
        ("pack_float16", "float16_linear", 1e-3),
        ("pack_int8", "int8_linear", 0.02),
    ],
)
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 64), (16, 64), (2, 3, 64)])
def test_products_by_packed_matrices_are_the_same(
    pack: str, times: str, tolerance: float, with_bias: bool, shape: tuple[int, ...]
):
    x, weight, bias = random(shape, (48, 64), (48,))
    plain, private = (
        getattr(each, times)(x, getattr(each, pack)(weight, bias if with_bias else None)) for each in BOTH
    )
    assert private.shape == plain.shape == (*shape[:-1], 48)
    assert float((private - plain).norm() / plain.norm()) < tolerance


@pytest.mark.parametrize("shape", [(6, 5, 3), (4, 7, 5, 1)])
def test_weight_norms_and_their_gradients_are_the_same(shape: tuple[int, ...]):
    v, upwards, g = random(shape, shape, (shape[0], *[1] * (len(shape) - 1)))
    answers = []
    for each in BOTH:
        leaves = [v.clone().requires_grad_(), g.clone().requires_grad_()]
        weight = each.weight_norm(*leaves)
        answers.append([weight, *torch.autograd.grad(weight, leaves, upwards)])
    for plain, private in zip(*answers, strict=True):
        torch.testing.assert_close(private, plain)


def test_the_private_forms_are_taken_where_they_work():
    assert what_fails(Private()) == ""
    assert isinstance(operations(), Private)


@pytest.mark.parametrize("around", [lambda: torch.device("meta"), lambda: torch.autocast("cpu", torch.bfloat16)])
def test_who_asks_first_decides_nothing(around: Callable[[], AbstractContextManager[object]]):
    with around():
        assert isinstance(operations(), Private)


@pytest.mark.parametrize(
    ("name", "behaves", "said"),
    [
        ("linear", "is missing", "linear fails"),
        ("float16_linear", "is missing", "float16_linear fails"),
        ("weight_norm", "errs", "weight_norm gives another result than plain torch"),
        ("packed_linear", "errs", "packed_linear gives another result than plain torch"),
    ],
)
def test_plain_forms_take_over_when_a_torch_lacks_an_operation_or_changed_it(
    name: str, behaves: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    true = getattr(Private, name)

    def missing(*_: object) -> Tensor:
        return torch.ops.mkldnn._operation_that_this_torch_has_not()

    def wrong(*given: object) -> Tensor:
        return true(*given) * 1.5

    monkeypatch.setattr(Private, name, missing if behaves == "is missing" else wrong)
    assert type(operations()) is Plain
    assert said in caplog.text
    assert "plain torch takes its place" in caplog.text


def test_the_environment_chooses_the_plain_forms(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, "plain")
    assert type(operations()) is Plain
    operations.cache_clear()
    monkeypatch.setenv(VARIABLE, "fast")
    with pytest.raises(UsageError, match="VOICEMILL_KERNELS=fast cannot be used; it is auto or plain"):
        operations()


def test_no_other_file_calls_a_private_operation_of_torch():
    private = re.compile(r"torch\.ops\b|torch(\.\w+)*\._[a-z]|\bfrom torch(\.\w+)* import _|\b(from|import) torch\._")
    # Names of torch's own pickles, which are compared and never called.
    in_pickles = re.compile(r"""["`]torch\._utils\b|torch\._utils\._rebuild_tensor_v2, storage|ctorch\._utils""")
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    allowed = {"voicemill/gpt_sovits/kernels/operations.py", Path(__file__).relative_to(ROOT).as_posix()}
    calls = [
        f"{name}:{number}: {line.strip()}"
        for name in sorted(set(listed.stdout.split()) - allowed)
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if private.search(line) and not in_pickles.search(line)
    ]
    assert calls == []
