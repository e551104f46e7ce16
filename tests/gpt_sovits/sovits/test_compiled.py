import pytest
import torch

from tests.gpt_sovits.sovits.test_model import small_generator
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.sovits.compiled import compile_vocoder
from voicemill.gpt_sovits.sovits.vocoder import Vocoder


def test_without_a_compiler_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match="no-such-compiler.*leave out --compiled"):
        compile_vocoder(small_generator())


@torch.inference_mode()
def test_what_is_compiled_sounds_the_same_at_every_length(monkeypatch: pytest.MonkeyPatch):
    # Inductor takes minutes on a busy machine; what it is given is the same.
    monkeypatch.setenv("CXX", "true")
    model = small_generator().for_inference()
    inputs = [(torch.randn(1, 8, frames), torch.randn(1, 512, 1)) for frames in (6, 9, 4)]
    plain = [model.dec(*given) for given in inputs]
    compile_vocoder(model, backend="aot_eager")
    assert not isinstance(model.dec, Vocoder)
    for given, expected in zip(inputs, plain, strict=True):
        torch.testing.assert_close(model.dec(*given), expected, rtol=1e-4, atol=1e-5)
