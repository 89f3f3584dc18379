"""A network small enough to write down, as a torch module and as ONNX models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

SIDE, WIDTH = 24, 6


class Tiny(torch.nn.Module):
    """(B, 3, SIDE, SIDE) to (B, WIDTH): a convolution over patches, its positive part, the mean over the picture."""

    def __init__(self, seed: int = 0, width: int = WIDTH) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 6, stride=6, bias=False)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.conv.weight.copy_(torch.randn(self.conv.weight.shape, generator=draw))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(images)).mean((2, 3))


def write_onnx(
    path: Path, network: Tiny, *, batch: int | str = "B", side: int | str = SIDE, outputs: int = 1,
    external: str | None = None, domain: str = "", element: int = TensorProto.FLOAT, layout: str = "BCHW",
) -> Path:  # fmt: skip
    """The same network as an ONNX model; ``external``: where its weights are said to lie."""
    weight = numpy_helper.from_array(network.conv.weight.detach().numpy(), "W")
    if external is not None:
        set_external_data(weight, external, 0, len(weight.raw_data))
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
    nodes = [
        helper.make_node("Conv", ["x", "W"], ["c"], strides=[6, 6]),
        helper.make_node("Relu", ["c"], ["r"], domain=domain),
        helper.make_node("ReduceMean", ["r"], ["y"], axes=[2, 3], keepdims=0),
    ]
    shape = [batch, 3, side, side] if layout == "BCHW" else [batch, side, side, 3]
    names = ["y", "r"][:outputs]
    shapes = {"y": [batch, len(network.conv.weight)], "r": [batch, len(network.conv.weight), None, None]}
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in names], [weight],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    return path


def weight_bytes(network: Tiny) -> bytes:
    return np.ascontiguousarray(network.conv.weight.detach().numpy()).tobytes()
