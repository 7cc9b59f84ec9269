"""The command `emostream engines`: plans for GPUs, built ahead of the first session, listed, and removed."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.errors import ConfigError, PublishError
from engines.starter import STARTER

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from engines.tensors import NetworkRole

__all__ = ["app"]

_CAPABILITY = re.compile(r"(\d{1,2})\.(\d)")

app = typer.Typer(help="Compile bundles for a GPU: build, list and remove TensorRT plans.")


@app.command()
def build(
    engine: Annotated[str, typer.Option(metavar="tensorrt", help="What the plans are for.")] = "tensorrt",
    bundle: Annotated[
        Path, typer.Option(metavar="PATH", help="A bundle; the starter if not given.", show_default=False)
    ] = STARTER,
    max_batch: Annotated[
        int, typer.Option(metavar="N", min=1, max=1024, help="The most segments that the plans take at once.")
    ] = 16,
    compute_capability: Annotated[
        str | None,
        typer.Option(metavar="8.6,8.9,...", help="GPUs to build for; the one of this machine if not given."),
    ] = None,
) -> None:
    """Build the plans of a bundle; those that are there already are left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from engines.backends.cuda import Gpu, find_gpu
    from engines.bundle import Bundle
    from engines.compile.builder import Profile
    from engines.compile.flavour import ComputeCapability, find_flavour
    from engines.compile.plan_cache import PlanCache
    from engines.compile.plans import Target, plans_of
    from engines.tensors import NETWORK_ROLES

    if engine != "tensorrt":
        raise ConfigError(f"engine {engine!r} has no plans; expected tensorrt")
    gpus: list[Gpu | ComputeCapability] = list(_capabilities(compute_capability)) if compute_capability else []
    loaded = Bundle.load(bundle)
    flavour = find_flavour(ahead_of_time=bool(gpus))
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    for target in [Target(flavour, gpu, Profile(largest=max_batch)) for gpu in gpus or [find_gpu()]]:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            tasks = {role: progress.add_task(f"{role}, {target.gpu_name}", total=1.0) for role in NETWORK_ROLES}
            for plan in plans_of(loaded, target, PlanCache(), partial(_show, progress, tasks)):
                how = "is there already" if plan.built_s is None else f"built in {plan.built_s:.1f} s"
                progress.update(tasks[plan.role], completed=1.0)
                typer.echo(f"{plan.role} for GPU {target.gpu_name}: {how}, {_megabytes(len(plan.data))}")


@app.command("list")
def list_plans() -> None:
    """List the plans of this user."""
    from engines.compile.plan_cache import PlanCache

    cache = PlanCache()
    plans = cache.plans()
    for plan in plans:
        if plan.header is None:
            typer.echo(f"damaged: {plan.file}")
            continue
        key = plan.header.key
        typer.echo(
            f"{plan.header.bundle} {plan.header.role}: {key.flavour} {key.version}, GPU {key.gpu}, {key.precision}, "
            f"batches up to {key.largest}, {_megabytes(plan.size)}"
        )
    typer.echo(f"{len(plans)} plans in {cache.folder}")


@app.command()
def clean() -> None:
    """Remove every plan; the next session on a GPU builds its own again."""
    from engines.compile.plan_cache import PlanCache

    cache = PlanCache()
    try:
        removed = cache.clean()
    except OSError as error:
        raise PublishError(f"{cache.folder} can't be removed: {error.strerror}; remove it by hand") from None
    typer.echo(f"removed {len(removed)} plans, {_megabytes(sum(plan.size for plan in removed))}")


def _capabilities(text: str) -> list[tuple[int, int]]:
    found = [_CAPABILITY.fullmatch(part.strip()) for part in text.split(",")]
    if not all(found):
        raise ConfigError(f"--compute-capability is {text!r}, expected numbers such as 8.6,8.9,12.0")
    return [(int(each[1]), int(each[2])) for each in found if each]


def _show(progress: Progress, tasks: dict[NetworkRole, TaskID], role: NetworkRole, done: float) -> None:
    progress.update(tasks[role], completed=done)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
