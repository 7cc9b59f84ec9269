"""What keeps a camera or a microphone from being opened, where the system tells, and what to do about it."""

from __future__ import annotations

import getpass
import os
import platform
from pathlib import Path

__all__ = ["camera_hint", "microphone_hint"]

_SETTINGS = {
    "Darwin": "let your terminal program use the {} in System Settings > Privacy & Security > {}, and start it again",
    "Windows": "let desktop apps use the {} in Settings > Privacy & security > {}",
}


def camera_hint(device: str) -> str | None:
    """Why a camera may not open, and the remedy.

    Args:
        device: its index, or its path.

    Returns:
        A sentence; None where nothing is known.
    """
    if platform.system() != "Linux":
        return _of_settings("camera", "Camera")
    path = Path(f"/dev/video{device}" if device.isdecimal() else device)
    if not path.exists():
        return f"there is no {path}: plug the camera in, or hand it to the container or virtual machine"
    if not os.access(path, os.R_OK | os.W_OK):
        return _join_group(path, "video")
    if programs := _programs_with(path):
        return f"it is open in {', '.join(programs)}"
    if _is_second_entry(path):
        return "it is a second entry of a camera, for other things than pictures: take the one before it"
    return None


def microphone_hint(*, muted: bool = False) -> str | None:
    """Why a microphone may not open, or gives digital silence; None where nothing is known."""
    if platform.system() != "Linux":  # where it is not allowed, macOS gives silence, and Windows an error
        return _of_settings("microphone", "Microphone")
    closed = [path for path in Path("/dev/snd").glob("pcm*c") if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        return _join_group(closed[0], "audio")
    return "is it muted by a key, a switch on its cable, or in the sound settings?" if muted else None


def _of_settings(name: str, pane: str) -> str | None:
    text = _SETTINGS.get(platform.system())
    return None if text is None else text.format(name, pane)


def _join_group(path: Path, group: str) -> str:
    return f"you may not open {path}: `sudo usermod -aG {group} {getpass.getuser()}`, then log in again"


def _programs_with(path: Path) -> list[str]:
    """The names of other programs, of those that we may look into, that have a device open."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(os.path.realpath(file) == str(path) for file in (process / "fd").iterdir()):
                found.add((process / "comm").read_text().strip())
        except OSError:  # it belongs to somebody else, or has just ended
            continue
    return sorted(found)


def _is_second_entry(path: Path) -> bool:
    try:
        return int((Path("/sys/class/video4linux") / path.name / "index").read_text()) > 0
    except (OSError, ValueError):
        return False
