"""`emostream-train evaluate`: how good a bundle is on a data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from emostream.engines.settings import ENGINE_PRECISIONS, PRECISIONS
from emostream.trainer.commands.common import command_line, prepared, train_extra
from emostream.trainer.commands.option_groups import After, with_option_groups
from emostream.trainer.commands.options import DataOptions, Jobs

__all__ = ["evaluate"]


@with_option_groups
def evaluate(
    *,
    data: DataOptions,
    bundle: Annotated[Path, typer.Option(metavar="PATH", help="The bundle's folder or .zip."), After("dataset")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the report; evaluate-DATASET if not given."),
        After("bundle"),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="|".join(("auto", *ENGINE_PRECISIONS)), help="Runtime of the networks.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="|".join(("auto", *PRECISIONS)), help="Arithmetic of the engine.")
    ] = "auto",
    jobs: Jobs = 0,
) -> None:
    """Measure a bundle on a data set: accuracy, recall and calibration of each head after 1, 3 and all segments.

    The networks, pools and heads are those of the stream, and so are the scores.
    """
    begun = time.monotonic()
    with train_extra():
        from emostream.engines.backends.choose import choose_engine
        from emostream.engines.bundle import Bundle
        from emostream.engines.frontend.detectors.choose import choose_detector, warn_of_other_detector
        from emostream.trainer.evaluation.evaluate import check_classes
        from emostream.trainer.evaluation.evaluate import evaluate as evaluate_bundle
        from emostream.trainer.evaluation.facts import EvaluationFacts
        from emostream.trainer.evaluation.summary import evaluation_summary
        from emostream.trainer.evaluation.write import check_evaluation_place, write_evaluation

        report = out or Path(f"evaluate-{data.dataset}")
        check_evaluation_place(report)
        loaded = Bundle.load(bundle)
        console = Console(stderr=True)
        check_classes(loaded, data.dataset, data.read().labels)
        warn_of_other_detector(loaded, choose_detector(data.face_detector, data.face_model))
        found, corpus, _ = prepared(data, jobs, console)
        chosen, reason = choose_engine(engine, loaded, precision)
        console.print(f"Engine: {reason}.", highlight=False)
        with chosen, Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("evaluating", total=len(corpus.recordings))
            evaluation = evaluate_bundle(loaded, chosen, corpus, progress=lambda _: bar.advance(task))
        facts = EvaluationFacts.of(found, command=command_line(), seconds=time.monotonic() - begun)
        written = write_evaluation(report, evaluation, facts)
        Console().print(evaluation_summary(evaluation))
    typer.echo(f"Report: {written}")
