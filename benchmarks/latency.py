"""How long after a segment its event comes, and what it costs: `python -m benchmarks.latency`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command import run_command, shown_command
from benchmarks.latency_plot import plot
from benchmarks.latency_report import LATENCY_STAGES, LatencyReport, report
from benchmarks.material import Clip, actor_clip, chosen_bundle
from benchmarks.session import run_session
from benchmarks.tables import Summary, figure, markdown_table, page, shown_path, today, write_report
from emostream.engines.bundle import Bundle
from emostream.trainer.networks.presets import PRESETS

__all__ = ["main", "markdown", "measure"]

_HELP = """Measure the latency of emostream, from the capture of a segment's end to the event that tells its emotion.

Plays a clip through the real command `python -m emostream`, in a process of its own and at live pace, and subscribes
to it from this one. Without --clip the synthetic actor is drawn and voiced (640 x 480, 30 frames a second, with
sound); without --bundle one with random weights is made, which is as large and as slow as a trained one. Both are
kept in the system's temporary folder.

Writes NAME.md, NAME.json and NAME.png. The exit code is 1 if the run was not clean: an event is missing, or a
segment gave none. Let the machine rest while it runs.
"""

_SUMMARY_HEAD = ("events with", "count", "p50", "p95", "p99", "max", "mean")

_STAGES = {
    "wait": "capture of the segment's end to its cut: the frame after it (up to one frame time), vision, audio, cut",
    "queue": "cut to the start of its batch",
    "inference": "the networks, for its whole batch",
    "publish": "the publisher's queue, JSON and sending",
    "vision": "finding and aligning the face, for one frame",
    "audio": "voice activity and ring buffer, for one block of 20 ms",
    "segment": "log-Mel, deltas and clip, for one segment",
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _latency(
    bundle: Annotated[Path | None, typer.Option(help="A bundle's folder or .zip.")] = None,
    preset: Annotated[str | None, typer.Option(metavar="|".join(PRESETS), help="Untrained, of this size.")] = None,
    clip: Annotated[Path | None, typer.Option(help="A recording to play instead of the actor.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=3600.0, help="Length of the actor's clip.")] = 60.0,
    engine: Annotated[str, typer.Option(help="As for emostream.")] = "auto",
    precision: Annotated[str, typer.Option(help="As for emostream.")] = "auto",
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[
        str | None, typer.Option(help="Name of the report's files; latency-PRESET-ENGINE-PRECISION if not given.")
    ] = None,
) -> None:
    chosen, options = chosen_bundle(bundle, preset)
    options += ["--clip", shown_path(clip)] if clip else ["--seconds", f"{seconds:g}"]
    options += ["--engine", engine, "--precision", precision]
    result = measure(
        clip or actor_clip(seconds),
        chosen,
        engine=engine,
        precision=precision,
        command=shown_command("latency", options),
    )
    used = result.engine
    name = name or f"latency-{result.bundle['preset']}-{used['name']}-{used['precision']}"
    write_report(output, name, result, markdown(result, name), partial(plot, result))
    for problem in result.problems:
        print(f"not clean: {problem}", file=sys.stderr)
    raise typer.Exit(0 if result.clean else 1)


def measure(clip: Path, bundle: Path, *, engine: str, precision: str, command: str) -> LatencyReport:
    """Play a clip and report.

    Args:
        clip: a recording.
        bundle: a folder or a .zip.
        engine: as for emostream.
        precision: as for emostream.
        command: what the report says was run.

    Raises:
        EmostreamError: the clip or the bundle can't be read, or emostream gives no events.
    """
    contents = Clip.of(clip)
    Bundle.load(bundle)
    date = today()
    print(f"playing {contents.name}, {contents.seconds:.1f} s ...", flush=True)
    session = run_session(clip, bundle, engine, precision)
    return report(session, contents, asked=(engine, precision), command=command, date=date)


def markdown(result: LatencyReport, name: str) -> str:
    """The report as text; `name` is that of the plot's file."""
    parts = [
        f"# Latency, {result.bundle['preset']} preset, {result.engine['name']} {result.engine['precision']}",
        _verdict(result),
        f"![latency over time, its histogram, and the stages]({name}.png)",
        "## What was run",
        markdown_table(("what", "value"), _setting(result)),
        "## Latency, milliseconds",
        "From the capture of a segment's end to sending, by the events' own `latency_ms`; quantiles are nearest ranks.",
        markdown_table(_SUMMARY_HEAD, _summaries(result.latency_ms)),
        "From the same moment to the arrival in the subscribing process, by that process's clock:",
        markdown_table(_SUMMARY_HEAD, _summaries(result.subscriber_ms)),
        "## Where it goes, milliseconds",
        "Means of the last thousand items, from the last status event. The first four and the rest add up to the mean "
        "latency; the others run beside it, or within `wait`.",
        markdown_table(("stage", "mean", "what it is"), _stages(result)),
        "## Events and drops",
        markdown_table(("what", "value"), _counts(result)),
        "## Processor, memory, start",
        markdown_table(("what", "value"), _costs(result)),
    ]
    return page(parts)


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "latency")


def _verdict(result: LatencyReport) -> str:
    everything = result.latency_ms["all"]
    if everything is None:
        return "**Not clean**: no event tells its latency."
    stages = {stage: result.stages_ms.get(stage, 0.0) for stage in LATENCY_STAGES}
    largest = max(stages, key=lambda stage: stages[stage])
    share = 100 * stages[largest] / everything.mean if everything.mean else 0.0
    text = (
        f"p50 {figure(everything.p50)} ms, p95 {figure(everything.p95)} ms, p99 {figure(everything.p99)} ms, "
        f"max {figure(everything.max)} ms over {everything.count} events; the largest stage is `{largest}`, "
        f"{share:.0f} % of the mean. "
    )
    if result.clean:
        return text + "The run was clean: every segment gave its event, and every event was received."
    return text + "\n\n**The run was not clean**: " + "; ".join(result.problems) + "."


def _setting(result: LatencyReport) -> list[tuple[str, str]]:
    engine, bundle, clip = result.engine, result.bundle, result.clip
    size = "no picture" if clip.frame_size is None else "{} x {}".format(*clip.frame_size)
    rows = result.measured.setting(
        ("engine", f"{engine['name']} on {engine['device']} (asked for: {engine['asked']})"),
        ("precision", f"{engine['precision']} (asked for: {engine['asked_precision']})"),
        (
            "bundle",
            f"{bundle['name']}, {bundle['preset']}, {'trained' if bundle['trained'] else 'untrained'}, "
            f"sha256 {str(bundle['sha256'])[:16]}",
        ),
        (
            "clip",
            f"{clip.name}: {clip.seconds:.3f} s, {size}, {clip.frames} frames, {'with' if clip.audio else 'no'} sound",
        ),
    )
    return [*rows, ("which ran", f"`{result.emostream_command}`")]


def _summaries(groups: dict[str, Summary | None]) -> list[tuple[str, ...]]:
    return [
        (name, str(each.count), *map(figure, (each.p50, each.p95, each.p99, each.max, each.mean)))
        for name, each in groups.items()
        if each is not None
    ]


def _stages(result: LatencyReport) -> list[tuple[str, str, str]]:
    means = result.stages_ms
    rows = [(stage, figure(means.get(stage)), _STAGES[stage]) for stage in LATENCY_STAGES]
    rows.append(("rest", figure(result.rest_ms), "heads, pools and utterances; rounding"))
    others = [stage for stage in (*_STAGES, *means) if stage not in LATENCY_STAGES]
    return rows + [(stage, figure(means.get(stage)), _STAGES.get(stage, "")) for stage in dict.fromkeys(others)]


def _counts(result: LatencyReport) -> list[tuple[str, str]]:
    events, dropped = result.events, result.dropped
    deepest = ", ".join(f"{name} {depth}" for name, depth in result.queues.items())
    return [
        ("segments by the grid rule", str(events["expected"])),
        ("emotion events received", str(events["emotion"])),
        ("utterance events received", str(events["utterance"])),
        ("status events received", str(events["status"])),
        ("number of the first event", str(events["first_seq"])),
        ("events missed between those", str(events["missed"])),
        ("dropped segments", str(dropped["segments"])),
        ("dropped frames", str(dropped["frames"])),
        ("missing audio", f"{dropped['audio_ms']} ms"),
        ("deepest queues in any status", deepest),
    ]


def _costs(result: LatencyReport) -> list[tuple[str, str]]:
    cpu, memory, start = result.cpu, result.memory_mb, result.start_s
    return [
        (
            "processor while playing",
            f"{figure(cpu.get('percent_of_one_core'))} % of one core over {figure(cpu.get('playing_s'))} s; "
            "decoding the clip included",
        ),
        ("all other processes meanwhile", _others(cpu.get("others_percent_of_one_core"))),
        ("processor time before playing", f"{figure(cpu.get('cpu_s_before_playing'))} s"),
        ("peak resident memory, sampled at 10 Hz", f"{figure(memory['peak_sampled'])} MB"),
        ("peak resident memory, by the system", f"{figure(memory['peak_high_water'])} MB"),
        (
            "resident memory while playing",
            f"{figure(memory['at_start_of_playing'])} MB at first, {figure(memory['at_end_of_playing'])} MB at last",
        ),
        ("process start to first message received", f"{figure(start['first_message'])} s"),
        ("process start to playing", f"{figure(start['clip_starts_to_play'])} s"),
        ("process start to first event", f"{figure(start['first_event'])} s"),
        ("the same, less the first segment's 0.655 s", f"{figure(start['first_event_minus_its_segment'])} s"),
    ]


def _others(percent: float | None) -> str:
    """A difference of two accounts by different clocks, so it can even be negative."""
    if percent is not None and percent < 1.0:
        return "below 1 % of one core"
    return f"{figure(percent)} % of one core"


if __name__ == "__main__":
    main()
