"""Which engine runs a bundle."""

from __future__ import annotations

from typing import cast, get_args

from engines.backends.base import Engine
from engines.backends.onnxruntime import OnnxRuntimeEngine
from engines.backends.openvino import OpenVinoEngine, Precision
from engines.bundle import Bundle
from engines.errors import ConfigError

__all__ = ["ENGINE_NAMES", "choose_engine"]

ENGINE_NAMES = ("auto", "openvino", "onnxruntime")


def choose_engine(name: str, bundle: Bundle, precision: str = "auto") -> tuple[Engine, str]:
    """The engine for `--engine NAME`, not loaded yet, and one line that says why it was chosen.

    A named engine never falls back to another one.

    Raises:
        ConfigError: there is no such engine, or it has no such precision.
    """
    if name not in ENGINE_NAMES:
        raise ConfigError(f"there is no engine {name!r}; expected one of {', '.join(ENGINE_NAMES)}")
    if precision not in get_args(Precision):
        raise ConfigError(f"there is no precision {precision!r}; expected auto, fp32 or bf16")
    if name == "onnxruntime":
        if precision == "bf16":
            raise ConfigError("engine onnxruntime computes in fp32 only; take --precision fp32 or --engine openvino")
        return OnnxRuntimeEngine(bundle), "onnxruntime on the CPU, as asked"
    reason = "as asked" if name == "openvino" else "the default where no GPU engine is installed"
    return OpenVinoEngine(bundle, cast("Precision", precision)), f"openvino on the CPU, {reason}"
