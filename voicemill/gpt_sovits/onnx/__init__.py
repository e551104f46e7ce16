"""Voices as ONNX graphs, and speaking by ONNX Runtime.

token_graph     the token model as one graph, which reads a text and makes single steps
acoustic_graph  the acoustic model as a graph, tokens to sound
nodes           of a graph
quantization    int8 and int4 weights in blocks
conversion      a token model in torch to a decoder
decoder, arrays the token graph in the place of `gpt.decoder.Decoder`, and choosing tokens by NumPy
sound           the acoustic graph in the place of `synthesis.latent_sound`
speaker         both in the place of `synthesis.synthesizer`

`decoder`, `arrays`, `sound`, `speaker` and `session` need no torch; the others make graphs of models in torch.
"""
