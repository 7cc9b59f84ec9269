"""`emostream-train act`: one clip of the synthetic actor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.engines.errors import ConfigError, PublishError
from emostream.engines.files import check_target

__all__ = ["act"]


def act(
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4", help="File to write; replaced if it exists.")],
    actor: Annotated[int, typer.Option(min=0, help="Which invented person plays.")] = 1,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="How often the script of 11.8 s is played.")] = 1,
) -> None:
    """Draw and voice a short clip of an invented person, to try the stream without a camera."""
    from emostream.trainer.actors.clip import DEMO_SCRIPT, write_clip

    if out.suffix != ".mp4":
        raise ConfigError(f"{out} does not end in .mp4, the one kind of file that is written; name it OUT.mp4")
    check_target(out, force=True)
    beside = out.with_name(f".{out.name}.part.mp4")
    try:
        write_clip(beside, actor=actor, script=DEMO_SCRIPT * repeat)
        beside.replace(out)
    except OSError as error:
        raise PublishError(f"can't write {out}: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
    typer.echo(f"Written to {out}.")
