"""Voices as ONNX graphs, and speaking by ONNX Runtime.

token_graph     the token model as one graph, which reads a text and makes single steps
acoustic_graph  the acoustic model as a graph, tokens to sound
bert_graph      Chinese BERT as a graph
graph_builder   writing a graph node by node
quantization    smaller weights of a graph
calibration     the vocoder's convolutions in int8
conversion      a token model in torch to a decoder
decoder, arrays the token graph in the place of `gpt.decoder.Decoder`, and choosing tokens by NumPy
sound           the acoustic graph in the place of `synthesis.latent_sound`
bert            BERT's graph in the place of `features.bert`
speaker         all of them in the place of `synthesis.synthesizer`
session         how ONNX Runtime runs a graph

`decoder`, `arrays`, `sound`, `bert`, `speaker` and `session` need no torch; the others make graphs of models in torch.
"""
