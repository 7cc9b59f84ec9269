"""What `emostream devices` lists: what `--camera` and `--mic` can name on this machine."""

from __future__ import annotations

from emostream.engines.errors import SourceError
from emostream.streamer.sources.camera import list_cameras
from emostream.streamer.sources.portaudio import list_microphones

__all__ = ["describe_devices"]


def describe_devices() -> str:
    """The cameras and microphones, one a line; a missing library is said in their place."""
    cameras = [f"  {index:>3}  {name}" for index, name in list_cameras()] or ["  none found"]
    try:
        microphones = [f"  {index:>3}  {name}" for index, name in list_microphones()] or ["  none found"]
    except SourceError as error:
        microphones = [f"  {error}"]
    return "\n".join(["Cameras (--camera):", *cameras, "Microphones (--mic):", *microphones])
