"""An ONNX model as a network; the one place that imports onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, DeviceError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

PROVIDERS = {"auto": "CPUExecutionProvider", "cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxNetwork:
    """(B, 3, H, W) float32 to the chosen output (B, d), as a tensor on the CPU.

    ``pixels``: the side of the images that the model is fixed to, or None. Custom operators are not loaded, and weights
    in a second file only from below the model's folder (onnxruntime sees to that). Raises BenchError for a model that
    cannot be loaded, or that has no such input or output.
    """

    def __init__(self, path: Path, *, device: str = "auto", output: str | None = None) -> None:
        runtime = _onnxruntime()
        provider = PROVIDERS[device]
        if provider not in runtime.get_available_providers():
            raise DeviceError(f"--device {device}: this onnxruntime has no {provider}")
        if not path.is_file():
            raise BenchError(f"no ONNX model {path}")
        quiet = runtime.SessionOptions()
        quiet.log_severity_level = 3  # errors: they are raised as well
        try:
            self.session = runtime.InferenceSession(str(path), quiet, providers=[provider])
        except Exception as error:  # onnxruntime's own kinds have no common ancestor but this
            raise BenchError(f"{path}: onnxruntime cannot load it: {_one_line(error)}") from None
        self.where = path
        self.input, self.batch, self.pixels = self._only_input()
        self.output = self._chosen_output(output)

    def __call__(self, images: Tensor) -> Tensor:
        import numpy as np
        import torch

        fed = images.numpy()
        step = self.batch or len(fed)
        parts = []
        for start in range(0, len(fed), step):
            part = fed[start : start + step]
            # A model fixed to a batch gets its last one filled up.
            filled = np.concatenate([part, np.zeros((step - len(part), *fed.shape[1:]), fed.dtype)])
            try:
                (found,) = self.session.run([self.output], {self.input: filled})
            except Exception as error:  # as above
                raise BenchError(f"{self.where}: onnxruntime cannot run it: {_one_line(error)}") from None
            parts.append(found[: len(part)])
        return torch.from_numpy(np.concatenate(parts))

    def _only_input(self) -> tuple[str, int | None, int | None]:
        """Its name, and the batch and the side of the images where they are fixed."""
        inputs = self.session.get_inputs()
        shapes = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        wrong = BenchError(f"{self.where}: must have one input tensor(float) (B, 3, H, H), found {shapes}")
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            raise wrong
        # A size that is left open is a name or None.
        batch, channels, *sides = (size if isinstance(size, int) else None for size in inputs[0].shape)
        fixed = {side for side in sides if side is not None}
        if channels not in (3, None) or len(fixed) > 1:
            raise wrong
        return inputs[0].name, batch, fixed.pop() if fixed else None

    def _chosen_output(self, asked: str | None) -> str:
        names = [str(output.name) for output in self.session.get_outputs()]
        if asked is None and len(names) == 1:
            return names[0]
        if asked is None:
            raise BenchError(f"{self.where}: has {len(names)} outputs, choose one with --output: {', '.join(names)}")
        if asked not in names:
            raise BenchError(f"{self.where}: {unknown_name('output', asked, names)}")
        return asked


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise BenchError("--onnx needs onnxruntime: python -m pip install 'face-margin-bench[onnx]'") from None
    return onnxruntime


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) < 400 else text[:400] + " …"
