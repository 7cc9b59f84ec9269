from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_CODE = """
import resource
import torch
from emostream.trainer.training.runtime import keep_memory
{call}

def step():
    torch.ones(16 << 20).sum()

for _ in range(10):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(call: str) -> int:
    found = subprocess.run([sys.executable, "-c", _CODE.format(call=call)], capture_output=True, check=True, timeout=60)
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_a_large_tensor_takes_the_place_of_the_last_one() -> None:
    assert _faults("keep_memory()") < 0.1 * _faults("")
