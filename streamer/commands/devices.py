"""The command `emostream devices`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.engines.errors import ConfigError, SourceError

__all__ = ["describe_devices", "devices"]


def devices(
    check: Annotated[
        bool, typer.Option("--check", help="Open each for a moment, and say what it sees or hears.")
    ] = False,
    camera: Annotated[str | None, typer.Option(metavar="0|PATH|URL", help="Check this camera, and no others.")] = None,
    mic: Annotated[
        str | None, typer.Option(metavar="default|NAME|INDEX", help="Check this microphone, and no others.")
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.5, max=600.0, help="How long to try each.")] = 2.0,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jpg", help="Keep a picture of each camera, with the face that was found marked."),
    ] = None,
) -> None:
    """List the cameras and microphones of this machine, and check them.

    Exit code 1: a device that --camera or --mic names gives nothing, or none at all does.
    """
    if not check:
        for option, value in (("camera", camera), ("mic", mic), ("picture", picture)):
            if value is not None:
                raise ConfigError(f"--{option} is of a check; give --check too")
        typer.echo(describe_devices())
        return
    if picture is not None and camera is None and mic is not None:
        raise ConfigError("--picture is of a camera, and --mic checks a microphone alone; give --camera too")
    from emostream.streamer.devices.check import check_devices

    check_devices(camera=camera, mic=mic, seconds=seconds, picture=picture)


def describe_devices() -> str:
    """The cameras and microphones, one a line; a missing library is said in their place."""
    from emostream.streamer.sources.camera import list_cameras
    from emostream.streamer.sources.microphone_process import list_microphones

    cameras = [f"  {index:>3}  {name}" for index, name in list_cameras()] or ["  none found"]
    try:
        microphones = [f"  {index:>3}  {name}" for index, name in list_microphones()] or ["  none found"]
    except SourceError as error:
        microphones = [f"  {error}"]
    return "\n".join(["Cameras (--camera):", *cameras, "Microphones (--mic):", *microphones])
