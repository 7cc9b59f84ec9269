"""How an evaluation was run, in plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version

from emostream.trainer.cores import usable_cores
from emostream.trainer.reports.facts import machine_name
from emostream.trainer.reports.preparation import Preparation
from emostream.trainer.segments.prepare import PreparedSet

__all__ = ["EvaluationFacts"]


@dataclass(frozen=True)
class EvaluationFacts:
    """An evaluation beside its scores.

    Attributes:
        preparation: of the recordings.
        version: of emostream.
        command: the command line as a report may show it.
        date: of the report, UTC.
        machine: processor and GPU that it was run on.
        cores: logical processors of that machine that could be used.
        seconds: from the command's start to the report.
    """

    preparation: Preparation
    version: str
    command: str
    date: str
    machine: str
    cores: int
    seconds: float

    @classmethod
    def of(cls, prepared: PreparedSet, *, command: str, seconds: float) -> EvaluationFacts:
        """Describe an evaluation that has just ended, on this machine, `seconds` after its start."""
        return cls(
            preparation=Preparation.of(prepared),
            version=version("emostream"),
            command=command,
            date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            machine=machine_name(),
            cores=usable_cores(),
            seconds=round(seconds, 1),
        )
