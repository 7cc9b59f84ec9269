"""A bundle's network in INT8 for OpenVINO: post-training quantisation with NNCF, calibrated on real segments.

What comes before the first layer with trained weights keeps its precision, as in the FP16 form: resizing and
standardisation are no layers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emostream.engines.backends.openvino.engine import openvino_core
from emostream.engines.errors import EngineError

__all__ = ["FORMS", "Form", "nncf_version", "save_int8"]

Form = Literal["all layers", "all but the first layer"]
"""Which layers are quantised."""

FORMS: tuple[Form, ...] = ("all layers", "all but the first layer")
"""From the fastest to the most exact."""

_LAYERS = ("Convolution", "MatMul")
_REMEDY = '`pip install "emostream[int8]"` brings it'


def save_int8(file: Path, examples: Sequence[npt.NDArray[np.generic]], form: Form, out: Path) -> Path:
    """Write the INT8 form of one network with one input; it has the same input and output.

    Args:
        file: its ONNX file.
        examples: inputs of real segments, each with a batch axis of 1.
        form: which layers.
        out: OpenVINO's .xml; a .bin comes beside it.

    Returns:
        `out`.

    Raises:
        EngineError: NNCF is missing, or can't quantise the network.
    """
    nncf = _nncf()
    import openvino

    try:
        model = openvino_core().read_model(str(file))
        kept = _before_layers(model)
        if form == "all but the first layer":
            kept.append(_first_layer(model))
        with redirect_stdout(StringIO()):  # it draws bars of its own, and standard output is the caller's
            quantised = nncf.quantize(
                model,
                nncf.Dataset([{0: each} for each in examples]),
                subset_size=len(examples),
                ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
            )
    except (RuntimeError, nncf.ValidationError, nncf.InternalError) as error:
        raise EngineError(f"{file} can't be quantised: {str(error).strip().splitlines()[-1]}") from None
    openvino.save_model(quantised, str(out), compress_to_fp16=False)
    return out


def nncf_version() -> str:
    """The version of NNCF.

    Raises:
        EngineError: it is missing.
    """
    return str(_nncf().__version__)


def _nncf() -> Any:
    openvino_core()  # keeps NNCF's telemetry out too, see there
    try:
        import nncf
    except ImportError:
        raise EngineError(f"NNCF is not installed, which quantises networks; {_REMEDY}") from None
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf


def _before_layers(model: Any) -> list[str]:
    """Names of the operations that come before the first layer."""
    first = _first_layer(model)
    names = [str(each.get_friendly_name()) for each in model.get_ordered_ops()]
    return names[: names.index(first)]


def _first_layer(model: Any) -> str:
    """The first convolution, or in a network without any the first product with a matrix of weights."""
    operations = model.get_ordered_ops()
    for kind in _LAYERS:
        for each in operations:
            if each.get_type_name() == kind:
                return str(each.get_friendly_name())
    raise EngineError("a network without a layer can't be quantised; make the bundle again")
