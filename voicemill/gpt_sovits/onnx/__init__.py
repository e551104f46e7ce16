"""Voices as ONNX graphs, and speaking by ONNX Runtime.

token_graph     the token model as one graph, which reads a text and makes single steps
acoustic_graph  the acoustic model as a graph, tokens to sound
nodes           of a graph
quantization    int8 and int4 weights in blocks
decoder         the token graph in the place of `gpt.decoder.Decoder`
"""
