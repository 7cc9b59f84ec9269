"""What a report was made on."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

__all__ = ["machine_name"]


def machine_name() -> str:
    """Name of the processor, and of the GPU if PyTorch can use one."""
    names = [_processor()]
    if gpus := torch.cuda.device_count():
        names.append(f"{gpus} x {torch.cuda.get_device_name(0)}")
    return ", ".join(names)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
