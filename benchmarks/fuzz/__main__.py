"""The command `python -m benchmarks.fuzz`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command import run_command, shown_command
from benchmarks.fuzz.targets import TARGETS
from benchmarks.fuzz.watched import Outcome, fuzz
from benchmarks.machine import Machine
from benchmarks.tables import figure, markdown_table, today, write_json, write_text
from emostream.engines.errors import ConfigError

__all__ = ["main", "markdown"]

_HELP = """Give damaged input to all that reads what others wrote, and see that it is read, or refused in one line.

Each target runs in a process of its own, which is watched: input that ends it or holds it up is written to --inputs.
Writes fuzz.md and fuzz.json, in which the rows of targets that are not run stay.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _fuzz(
    target: Annotated[list[str], typer.Option(help=f"{', '.join(TARGETS)}; may be given several times.")],
    examples: Annotated[int, typer.Option(min=1, help="Of each target.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the first examples; others give others.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    inputs: Annotated[Path, typer.Option(help="Folder for the input that failed.")] = Path("build/fuzz"),
) -> None:
    if unknown := sorted(set(target) - set(TARGETS)):
        raise ConfigError(f"there is no target {', '.join(unknown)}; expected some of {', '.join(TARGETS)}")
    failed = 0
    for name in target:
        outcome = fuzz(name, examples, inputs, seed)
        failed += len(outcome.failures)
        options = ["--target", name, "--examples", str(examples)]
        options += ["--seed", str(seed)] if seed else []
        row = {**asdict(outcome), "date": today(), "command": shown_command("fuzz", options)}
        report = {"machine": asdict(Machine.this()), "targets": {**_rows(output / "fuzz.json"), name: row}}
        write_json(output / "fuzz.json", report)
        write_text(output / "fuzz.md", markdown(report["targets"]))
        print(f"{name}: {_summary(outcome)}", flush=True)
        for failure in outcome.failures:
            print(f"  {failure}")
    if failed:
        raise typer.Exit(1)


def _rows(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["targets"]
    except FileNotFoundError:
        return {}
    return found


def _summary(outcome: Outcome) -> str:
    return (
        f"{outcome.examples:,} examples, {outcome.taken:,} read, {len(outcome.failures)} failures, slowest "
        f"{figure(outcome.slowest_ms)} ms, resident {outcome.rss_mb[0]:.0f} to {outcome.rss_mb[1]:.0f} MB"
    )


def markdown(rows: dict[str, Any]) -> str:
    """The report as a page."""
    head = ("target", "what it is", "examples", "read", "failures", "slowest, ms", "resident, MB", "when")
    table = [
        (
            name,
            TARGETS[name].about,
            f"{row['examples']:,}",
            f"{row['taken']:,}",
            str(len(row["failures"])),
            figure(row["slowest_ms"]),
            "{:.0f} to {:.0f}".format(*row["rss_mb"]),
            row["date"],
        )
        for name, row in sorted(rows.items())
    ]
    lines = [
        "# Damaged and hostile input",
        "Mutations of small sound inputs by Hypothesis. Each has to be read, or refused in one line by the error that "
        "is meant for it; whatever else comes out, a process that ends and a check of more than 20 s are failures. "
        "Resident: memory after the first 500 examples, and the largest after any 500.",
        markdown_table(head, table),
        markdown_table(("machine", ""), Machine.this().rows()),
        "\n".join(f"- `{row['command']}`" for _, row in sorted(rows.items())),
    ]
    failures = [f"- {name}: {failure}" for name, row in sorted(rows.items()) for failure in row["failures"]]
    return "\n\n".join(lines + (["## Failures", "\n".join(failures)] if failures else [])) + "\n"


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "fuzz")


if __name__ == "__main__":
    main()
