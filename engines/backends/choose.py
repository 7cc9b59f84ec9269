"""Which engine runs a bundle."""

from __future__ import annotations

from importlib.util import find_spec
from typing import cast

from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine, has_cuda
from emostream.engines.backends.openvino.engine import OpenVinoEngine, Precision
from emostream.engines.backends.tensorrt.cuda import find_gpu, is_installed
from emostream.engines.backends.tensorrt.flavour import find_flavour, refuse_gpu
from emostream.engines.bundle import Bundle
from emostream.engines.engine import Engine
from emostream.engines.errors import ConfigError, EngineError
from emostream.engines.settings import ENGINE_PRECISIONS

__all__ = ["ENGINE_NAMES", "choose_engine"]

ENGINE_NAMES = ("auto", *ENGINE_PRECISIONS)


def choose_engine(name: str, bundle: Bundle, precision: str = "auto") -> tuple[Engine, str]:
    """The engine for `--engine NAME`, not loaded yet, and one line that says why it was chosen.

    A named engine never falls back to another one.

    Raises:
        ConfigError: there is no such engine, or it has no such precision.
        EngineError: TensorRT is asked for and not installed.
    """
    if name not in ENGINE_NAMES:
        raise ConfigError(f"there is no engine {name!r}; expected one of {', '.join(ENGINE_NAMES)}")
    known = sorted({each for precisions in ENGINE_PRECISIONS.values() for each in precisions})
    if precision not in ("auto", *known):
        raise ConfigError(f"there is no precision {precision!r}; expected auto, {', '.join(known)}")
    reason = "as asked"
    if name == "auto":
        name, reason = _best(precision)
    if precision not in ("auto", *ENGINE_PRECISIONS[name]):
        others = [other for other, precisions in ENGINE_PRECISIONS.items() if precision in precisions]
        raise ConfigError(
            f"engine {name} computes in {' or '.join(ENGINE_PRECISIONS[name])}, not {precision}; take --precision auto "
            f"or --engine {' or '.join(others)}"
        )
    if name == "tensorrt":
        # It needs onnx, which only its extra brings.
        from emostream.engines.backends.tensorrt.engine import TensorRTEngine

        flavour = find_flavour()
        return TensorRTEngine(bundle, flavour), f"{flavour} on the GPU, {reason}"
    if name == "onnxruntime":
        return OnnxRuntimeEngine(bundle), f"onnxruntime {'with CUDA' if has_cuda() else 'on the CPU'}, {reason}"
    return OpenVinoEngine(bundle, cast("Precision", precision)), f"openvino on the CPU, {reason}"


def _best(precision: str) -> tuple[str, str]:
    """The engine for `--engine auto`, and why: TensorRT where it is installed and serves the GPU, else OpenVINO."""
    if precision != "auto":
        return next(
            (name, f"the default for {precision}") for name in ENGINE_PRECISIONS if precision in ENGINE_PRECISIONS[name]
        )
    if not is_installed():
        return "openvino", "the default where no GPU engine is installed"
    if find_spec("onnx") is None:
        return "openvino", 'since plans for a GPU need the package onnx; `pip install "emostream[tensorrt]"` brings it'
    try:
        gpu = find_gpu()
        refuse_gpu(find_flavour(), gpu.capability)
    except EngineError as error:
        return "openvino", f"since {error}"
    return "tensorrt", f"since there is a {gpu}"
