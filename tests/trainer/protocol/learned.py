"""What a fold has learned, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["changed", "learned"]


def learned(fold: Path) -> dict[str, Any]:
    """Every array of every network, machine and SVM, and the rate that was chosen, by file and name."""
    found: dict[str, Any] = {"fold.json rate": json.loads((fold / "fold.json").read_text())["machines_rate"]}
    for file in sorted(fold.rglob("weights.pt")):
        name = file.parent.relative_to(fold).as_posix()
        for key, value in torch.load(file, weights_only=True).items():
            found[f"{name}: {key}"] = value.numpy().tobytes() if torch.is_tensor(value) else value
    for file in sorted(fold.rglob("machines.csv")):
        found[f"{file.parent.relative_to(fold).as_posix()}: machines"] = file.read_bytes()
    with np.load(fold / "svms.npz") as arrays:
        found |= {f"svm {key}": arrays[key].tobytes() for key in arrays}
    return found


def changed(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what differs."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
