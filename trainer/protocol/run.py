"""The folds of a run, side by side in processes or across machines on Ray; what is finished is not done again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from emostream.engines.errors import ConfigError, EmostreamError, TrainingError
from emostream.trainer.logs import log_to_stderr
from emostream.trainer.processes import Outcome, each_in_processes
from emostream.trainer.protocol.fold import FoldJob, run_fold

__all__ = ["run_folds"]

_log = logging.getLogger("emostream")
_RETRIES = 3  # of a fold whose machine was lost


def run_folds(
    jobs: Sequence[FoldJob],
    *,
    side_by_side: int,
    ray_address: str | None = None,
    progress: Callable[[FoldJob], None] | None = None,
) -> None:
    """Run folds; results are the same whatever runs them.

    Args:
        jobs: the folds.
        side_by_side: processes on this machine.
        ray_address: of a Ray cluster, or `local` for one on this machine; None runs without Ray. The files of a job
            have to be reachable under the same names from every machine.
        progress: told of each fold as it is finished.

    Raises:
        TrainingError: folds failed; the others were finished first.
        ConfigError: Ray isn't installed, or its cluster can't be reached.
    """
    if ray_address is None:
        outcomes = each_in_processes(run_fold, jobs, jobs=side_by_side, name=_name)
    else:
        outcomes = _each_on_ray(jobs, side_by_side, ray_address)
    failed = []
    for outcome in outcomes:
        if outcome.error is not None:
            _log.error("%s: %s", _name(outcome.item), outcome.error)
            failed.append(outcome)
        elif progress:
            progress(outcome.item)
    if failed:
        raise TrainingError(
            f"{len(failed)} of {len(jobs)} folds failed, first {_name(failed[0].item)}: {failed[0].error}; "
            "the others are kept: mend that and run the same command again"
        )


def _name(job: FoldJob) -> str:
    return f"fold {job.fold.name}"


def _each_on_ray(jobs: Sequence[FoldJob], side_by_side: int, address: str) -> Iterator[Outcome[FoldJob, Path]]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machines unasked
    try:
        import ray
    except ModuleNotFoundError:
        raise ConfigError('--ray needs the package ray, which is not installed; pip install "emostream[ray]"') from None
    threads = max((job.threads for job in jobs), default=1)
    try:
        if address == "local":
            ray.init(num_cpus=side_by_side * threads, include_dashboard=False, log_to_driver=True)
        else:
            ray.init(address=address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"the Ray cluster {address} can't be reached: {error}; expected HOST:PORT or local") from None
    try:
        gpus = float(any(job.plan.compute.accelerator == "gpu" for job in jobs))
        remote = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=_RETRIES)(_run_or_fail)
        running = {remote.remote(job): job for job in jobs}
        while running:
            (done, *_), _ = ray.wait(list(running))
            job = running.pop(done)
            try:
                found = ray.get(done)
            except ray.exceptions.RayTaskError:  # a mistake of ours, no loss of a worker
                raise
            except ray.exceptions.RayError as error:
                found = TrainingError(f"its worker was lost {_RETRIES + 1} times: {type(error).__name__}")
            if isinstance(found, EmostreamError):
                yield Outcome(job, None, found)
            else:
                yield Outcome(job, found, None)
    finally:
        ray.shutdown()


def _run_or_fail(job: FoldJob) -> Path | EmostreamError:
    """Ray wraps what is raised, so a failure comes back as a value."""
    log_to_stderr()
    try:
        return run_fold(job)
    except EmostreamError as error:
        return error
