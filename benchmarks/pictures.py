"""Pictures of reports: matplotlib where it is installed, and one error where a file can't be written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emostream.engines.errors import ConfigError, PublishError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_picture", "save_picture"]

_DPI = 110


def new_picture(width: float, height: float) -> Figure:
    """An empty picture, in inches.

    Raises:
        ConfigError: matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise ConfigError('the plot needs matplotlib, which is not installed; pip install "emostream[train]"') from None
    return Figure(figsize=(width, height), layout="constrained")


def save_picture(picture: Figure, file: Path) -> None:
    """Write a PNG file, and the folders on the way to it.

    Raises:
        PublishError: it can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.savefig(file, dpi=_DPI, metadata={"Software": None})
    except OSError as error:
        raise PublishError(f"can't write {file}: {error.strerror}; choose another folder with --output") from None
