"""A tiny ONNX file, written field by field by the format's protobuf schema: a convolution of 3 to 5 channels."""

import numpy as np


def number(field, value):
    return _varint(field << 3) + _varint(value)


def block(field, content):
    content = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def _tensor_info(name, dims):
    shape = b"".join(block(1, block(2, one) if isinstance(one, str) else number(1, one)) for one in dims)
    return block(1, name) + block(2, block(1, number(1, 1) + block(2, shape)))


def convolution(weight, side, batch="b"):
    """The bytes of a model: "pixels" [batch, 3, side, side] -> "maps", by float32 ``weight`` [5, 3, k, k]."""
    node = block(1, "pixels") + block(1, "weight") + block(2, "maps") + block(4, "Conv")
    dims = b"".join(number(1, one) for one in weight.shape)
    tensor = dims + number(2, 1) + block(8, "weight") + block(9, np.ascontiguousarray(weight, "<f4").tobytes())
    out = side - weight.shape[2] + 1
    graph = block(1, node) + block(2, "tiny") + block(5, tensor)
    graph += block(11, _tensor_info("pixels", (batch, 3, side, side)))
    graph += block(12, _tensor_info("maps", (batch, len(weight), out, out)))
    return number(1, 8) + block(7, graph) + block(8, number(2, 13))
