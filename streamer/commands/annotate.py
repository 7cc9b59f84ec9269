"""The command `emostream annotate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emostream.streamer.commands.options import Force, with_settings
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.options import from_settings

__all__ = ["annotate"]


@with_settings(RecognitionConfig)
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
    **values: Any,
) -> None:
    """Draw the results into a copy of a clip (.mp4), or write them as tiers for ELAN (.eaf) or subtitles (.vtt)."""
    from emostream.streamer.annotate.run import annotate as annotate_file

    options = from_settings(RecognitionConfig, values)
    annotate_file(source, target, options, force=force, stream=stream, media=media)
