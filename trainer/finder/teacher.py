"""YuNet's scores for every cell: where it sees a face, and how sure it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino

from emostream.engines.frontend.detectors.finder import STRIDES
from emostream.engines.frontend.picture import Image

__all__ = ["Teacher"]


class Teacher:
    """YuNet's network, without what OpenCV makes of its maps."""

    def __init__(self, model: Path, side: int) -> None:
        """Load the model for square pictures of one size.

        Args:
            model: `face_detection_yunet_2023mar.onnx`.
            side: of the pictures in pixels, a multiple of 32.
        """
        core = openvino.Core()
        network = core.read_model(str(model))
        network.reshape([1, 3, side, side])
        options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
        self._request = core.compile_model(network, "CPU", options).create_infer_request()

    def scores(self, image: Image) -> npt.NDArray[np.uint8]:
        """What it thinks of each cell of a picture, in 1/255, one stride after the other, rows first.

        Args:
            image: uint8 [side, side, 3], BGR.
        """
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
        self._request.infer({0: pixels})
        maps = []
        for stride in STRIDES:
            kind, there = (self._request.get_tensor(f"{name}_{stride}").data.ravel() for name in ("cls", "obj"))
            maps.append(np.sqrt(np.clip(kind, 0, 1) * np.clip(there, 0, 1)))
        return np.asarray(np.round(255 * np.concatenate(maps)), dtype=np.uint8)
