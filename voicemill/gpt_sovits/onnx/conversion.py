"""A token model in torch to a decoder of ONNX Runtime, without a file in between."""

from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.onnx.decoder import OnnxDecoder
from voicemill.gpt_sovits.onnx.quantization import quantize
from voicemill.gpt_sovits.onnx.token_graph import token_graph


def decoder_of(model: Gpt, bits: int = 32) -> OnnxDecoder:
    """Return a decoder of a model in evaluation mode, its weights in single precision or rounded to 8 or 4 bits."""
    graph = token_graph(model)
    return OnnxDecoder((graph if bits == 32 else quantize(graph, bits)).SerializeToString(), model.config)
