"""What a target of fuzzing is, and what all of them need."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from emostream.engines.errors import EmostreamError

__all__ = ["Case", "Target", "scratch", "taken"]

Case = tuple[Any, ...]
_MAX_MESSAGE = 2000


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote.

    Attributes:
        about: what it is, in a few words.
        cases: makes inputs.
        check: runs on one; whether it was taken. Raises what must not come out.
        sound: inputs that have to be taken.
        native: whether it hands the input to native code that may end the process.
    """

    about: str
    cases: Callable[[], st.SearchStrategy[Case]]
    check: Callable[..., bool]
    sound: Callable[[], list[Case]]
    native: bool = False


def taken(work: Callable[[], object], *expected: type[EmostreamError]) -> bool:
    """Run something that may fail with one line of an expected kind; whether it did not."""
    try:
        work()
    except expected as error:
        message = str(error)
        assert message, "an error without a message"
        assert "\n" not in message, f"an error of several lines: {message!r}"
        assert len(message) < _MAX_MESSAGE, f"an error of {len(message)} characters"
        return False
    return True


@cache
def scratch() -> Path:
    """A folder for this process's inputs, which its exit removes."""
    folder = Path(tempfile.mkdtemp(prefix="emostream-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
