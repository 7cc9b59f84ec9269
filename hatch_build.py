"""Editable installs: `emostream/` gets links to the folders that the wheel holds as its subpackages.

Links, and no import hook, so that mypy, pyright, import-linter and editors see what Python sees.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SUBPACKAGES = ("engines", "streamer", "trainer")


class LinkSubpackages(BuildHookInterface[Any]):
    """Links the subpackages into `emostream/`, and `emostream/` into the folder that goes on Python's path."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the links of an editable install; other builds need none.

        Args:
            version: `editable` or `standard`.
            build_data: what hatchling lets hooks change; left as it is.
        """
        if version != "editable":
            return
        root = Path(self.root)
        package = root / "emostream"
        on_path = root / self.build_config.dev_mode_dirs[0]
        on_path.mkdir(exist_ok=True)
        for name in _SUBPACKAGES:
            _link(package / name, root / name)
        _link(on_path / package.name, package)


def _link(link: Path, folder: Path) -> None:
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(folder, link.parent), target_is_directory=True)
    except OSError as error:
        raise SystemExit(
            f"an editable install links {link} to {folder}, which failed: {error.strerror}; expected a file "
            "system with symbolic links (on Windows enable Developer Mode), or install without --editable"
        ) from None
