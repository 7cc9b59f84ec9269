"""The command `emostream annotate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.engines.starter import STARTER
from emostream.streamer.commands.options import BundlePath, EngineName, FaceModel, Force, PrecisionName

__all__ = ["annotate"]


def annotate(
    source: Annotated[
        Path, typer.Argument(metavar="CLIP|EVENTS", help="A clip, or events.jsonl, or the folder of a recording.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.mp4|OUT.eaf|OUT.vtt", help="What to make; its suffix says.")],
    force: Force = False,
    stream: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of events: the stream, where there are several.")
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of events, for ELAN: what they belong to; NAME.mkv beside them if there."),
    ] = None,
    bundle: BundlePath = STARTER,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    face_model: FaceModel = None,
) -> None:
    """Draw the results into a copy of a clip (.mp4), or write them as tiers for ELAN (.eaf) or subtitles (.vtt)."""
    from emostream.streamer.annotate.run import annotate as annotate_file
    from emostream.streamer.offline import ClipOptions

    options = ClipOptions(bundle=bundle, engine=engine, precision=precision, face_model=face_model)
    annotate_file(source, target, options, force=force, stream=stream, media=media)
