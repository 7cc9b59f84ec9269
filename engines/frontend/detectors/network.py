"""A small network of a face detector, on one thread: OpenVINO, or ONNX Runtime as the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import Image

__all__ = ["Backend", "SmallNetwork", "load_network"]

Backend = Literal["openvino", "onnxruntime"]
_MOST_SIZES = 8  # of input, for which a network stays compiled


class SmallNetwork(Protocol):
    """A loaded network."""

    def __call__(self, pixels: Image) -> list[npt.NDArray[np.float32]]:
        """Outputs for pixels, uint8 [1, height, width, channels]."""


def load_network(file: Path, backend: Backend) -> SmallNetwork:
    """Load a network whose one input is `pixels`.

    Raises:
        Exception: the runtime can't load it; runtimes raise errors of many kinds.
    """
    return _OpenVino(file) if backend == "openvino" else _OnnxRuntime(file)


class _OpenVino:
    """A network in OpenVINO, compiled once for each size of its input."""

    def __init__(self, file: Path) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(str(file))
        self._requests: dict[tuple[int, ...], Any] = {}

    def __call__(self, pixels: Image) -> list[npt.NDArray[np.float32]]:
        request = self._requests.get(pixels.shape)
        if request is None:
            request = self._compile(pixels.shape)
        request.infer({0: np.ascontiguousarray(pixels)}, share_inputs=True)
        return [request.get_output_tensor(i).data for i in range(len(request.model_outputs))]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        self._model.reshape(list(shape))
        options: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        if len(self._requests) >= _MOST_SIZES:
            self._requests.pop(next(iter(self._requests)))
        request = self._core.compile_model(self._model, "CPU", options).create_infer_request()
        self._requests[shape] = request
        return request


class _OnnxRuntime:
    """A network in ONNX Runtime."""

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def __call__(self, pixels: Image) -> list[npt.NDArray[np.float32]]:
        return [np.asarray(v) for v in self._session.run(None, {"pixels": pixels})]
