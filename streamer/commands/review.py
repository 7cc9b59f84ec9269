"""The command `emostream review`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.engines.starter import STARTER
from emostream.streamer.commands.options import BundlePath, EngineName, FaceModel, Force, PrecisionName

__all__ = ["review"]


def review(
    source: Annotated[
        Path,
        typer.Argument(metavar="FOLDER|EVENTS|CLIP", help="The folder of a recording, events.jsonl, or a clip."),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE.html", help="Where the report goes.")] = Path("report.html"),
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    force: Force = False,
    bundle: BundlePath = STARTER,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    face_model: FaceModel = None,
) -> None:
    """Make a report of what was recorded, as one HTML file; a clip is recognised for it.

    An earlier report is replaced, another file only with --force.
    """
    from emostream.streamer.offline import ClipOptions
    from emostream.streamer.review.run import review as review_recording

    options = ClipOptions(bundle=bundle, engine=engine, precision=precision, face_model=face_model)
    review_recording(source, output, options, force=force, show=open_it)
