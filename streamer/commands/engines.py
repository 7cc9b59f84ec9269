"""The command `emostream engines`: compiled forms of bundles, made ahead of the first session, listed, and removed."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emostream.engines.errors import ConfigError, PublishError
from emostream.engines.starter import STARTER

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from emostream.engines.bundle import Bundle
    from emostream.engines.tensors import NetworkRole

__all__ = ["app"]

_CAPABILITY = re.compile(r"(\d{1,2})\.(\d)")
_FORMS = {"tensorrt": "fp16", "openvino": "int8"}

app = typer.Typer(help="Compile bundles: build, list and remove TensorRT plans and INT8 networks.")


@app.command()
def build(
    engine: Annotated[
        str, typer.Option(metavar="tensorrt|openvino", help="Plans for a GPU, or INT8 networks for this processor.")
    ] = "tensorrt",
    precision: Annotated[
        str | None, typer.Option(metavar="fp16|int8", help="fp16 with tensorrt, int8 with openvino.")
    ] = None,
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
    recordings: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Real recordings for INT8; those in folders named joy, anger, ... tell what it costs in recall.",
        ),
    ] = None,
) -> None:
    """Build the compiled form of a bundle: plans for a GPU, or INT8 networks for this processor.

    Plans that are there already are left.
    """
    from emostream.engines.bundle import Bundle

    if engine not in _FORMS:
        raise ConfigError(f"engine {engine!r} needs nothing built; expected {' or '.join(_FORMS)}")
    if precision not in (None, _FORMS[engine]):
        raise ConfigError(f"--engine {engine} is built in {_FORMS[engine]}, not {precision}; leave out --precision")
    loaded = Bundle.load(bundle)
    if engine == "tensorrt":
        _build_plans(loaded, max_batch, compute_capability)
    elif recordings:
        _build_int8(loaded, recordings)
    else:
        raise ConfigError("INT8 is calibrated on real recordings; name a folder of them with --recordings")


def _build_plans(bundle: Bundle, max_batch: int, compute_capability: str | None) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from emostream.engines.backends.tensorrt.builder import Profile
    from emostream.engines.backends.tensorrt.cuda import Gpu, find_gpu
    from emostream.engines.backends.tensorrt.flavour import ComputeCapability, find_flavour
    from emostream.engines.backends.tensorrt.plan_cache import PlanCache
    from emostream.engines.backends.tensorrt.plans import Target, plans_of
    from emostream.engines.tensors import NETWORK_ROLES

    gpus: list[Gpu | ComputeCapability] = list(_capabilities(compute_capability)) if compute_capability else []
    flavour = find_flavour(ahead_of_time=bool(gpus))
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    for target in [Target(flavour, gpu, Profile(largest=max_batch)) for gpu in gpus or [find_gpu()]]:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            tasks = {role: progress.add_task(f"{role}, {target.gpu_name}", total=1.0) for role in NETWORK_ROLES}
            for plan in plans_of(bundle, target, PlanCache(), partial(_show, progress, tasks)):
                how = "is there already" if plan.built_s is None else f"built in {plan.built_s:.1f} s"
                progress.update(tasks[plan.role], completed=1.0)
                typer.echo(f"{plan.role} for GPU {target.gpu_name}: {how}, {_megabytes(len(plan.data))}")


def _build_int8(bundle: Bundle, recordings: list[Path]) -> None:
    from rich.console import Console

    from emostream.engines.backends.openvino.int8_build import build_int8
    from emostream.engines.backends.openvino.int8_cache import Int8Cache
    from emostream.engines.backends.openvino.int8_examples import read_examples
    from emostream.engines.backends.openvino.quantize import nncf_version

    nncf_version()  # before the recordings are read, which takes long
    with Console(stderr=True).status("reading the recordings") as status:
        calibrating, held_out = read_examples(recordings, bundle.manifest.labels, status.update)
        try:
            made = build_int8(bundle, calibrating, held_out, Int8Cache(), status.update)
        except OSError as error:
            raise PublishError(f"the INT8 networks can't be kept: {error.strerror}; free some room") from None
    report = made.report
    for role, form in report.forms.items():
        typer.echo(f"{role}: INT8, {form}")
    for head, cost in report.heads.items():
        recall = "" if cost.recall is None else f", recall {_percent(cost.recall)} -> {_percent(cost.recall_int8)}"
        typer.echo(f"{head} head: {cost.changed} of {cost.segments} held-out decisions changed{recall}")
    before, after = report.milliseconds
    typer.echo(f"a segment takes {after:.1f} ms, in {report.before} {before:.1f} ms: {report.speed:.2f} times as fast")
    typer.echo(
        f"--precision auto {f'does not take it: {report.refused}' if report.refused else 'takes it from now on'}"
    )


@app.command("list")
def list_built() -> None:
    """List the plans and INT8 networks of this user."""
    from emostream.engines.backends.openvino.int8_cache import Int8Cache
    from emostream.engines.backends.tensorrt.plan_cache import PlanCache

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
    quantised = Int8Cache().stored()
    for made in quantised:
        taken = f"not taken: {made.report.refused}" if made.report.refused else "taken"
        typer.echo(f"{made.report.bundle}: openvino, int8, {made.report.speed:.2f} times as fast, {taken}")
    typer.echo(f"{len(quantised)} bundles' INT8 networks in {Int8Cache().folder}")


@app.command()
def clean() -> None:
    """Remove every plan and INT8 network; the next session on a GPU builds its plans again."""
    from emostream.engines.backends.openvino.int8_cache import Int8Cache
    from emostream.engines.backends.tensorrt.plan_cache import PlanCache

    plans, quantised = PlanCache(), Int8Cache()
    try:
        removed = plans.clean()
        folders = quantised.clean()
    except OSError as error:
        raise PublishError(f"{error.filename} can't be removed: {error.strerror}; remove it by hand") from None
    typer.echo(f"removed {len(removed)} plans, {_megabytes(sum(plan.size for plan in removed))}")
    typer.echo(f"removed {len(folders)} bundles' INT8 networks")


def _capabilities(text: str) -> list[tuple[int, int]]:
    found = [_CAPABILITY.fullmatch(part.strip()) for part in text.split(",")]
    if not all(found):
        raise ConfigError(f"--compute-capability is {text!r}, expected numbers such as 8.6,8.9,12.0")
    return [(int(each[1]), int(each[2])) for each in found if each]


def _show(progress: Progress, tasks: dict[NetworkRole, TaskID], role: NetworkRole, done: float) -> None:
    progress.update(tasks[role], completed=done)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100.0 * share:.1f} %"
