"""The command `emostream review`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emostream.streamer.commands.options import Force, with_settings
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.options import from_settings

__all__ = ["review"]


@with_settings(RecognitionConfig)
def review(
    source: Annotated[
        Path,
        typer.Argument(metavar="FOLDER|EVENTS|CLIP", help="The folder of a recording, events.jsonl, or a clip."),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE.html", help="Where the report goes.")] = Path("report.html"),
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    force: Force = False,
    **values: Any,
) -> None:
    """Make a report of what was recorded, as one HTML file; a clip is recognised for it.

    An earlier report is replaced, another file only with --force.
    """
    from emostream.streamer.review.run import review as review_recording

    options = from_settings(RecognitionConfig, values)
    review_recording(source, output, options, force=force, show=open_it)
