"""`python -m benchmarks.finder --photos FOLDER`: how well face detectors find faces and eyes.

Needs the photographs that `emostream-train finder` takes, with YuNet's file among them or stored.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.command import run_command, shown_command
from benchmarks.finder.detectors import Detector, our_detector, viola_jones_boxes, viola_jones_detector, yunet_detector
from benchmarks.finder.report import ConditionRow, FacelessRow, FinderReport, markdown
from benchmarks.finder.scenes import HEIGHT, SEED, WIDTH, conditions, faceless
from benchmarks.finder.tally import Tally, compare
from benchmarks.machine import Machine, load_average
from benchmarks.tables import shown_path, today, write_report
from emostream.engines.errors import ConfigError
from emostream.engines.external_models import YUNET
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.frontend.picture import Image
from emostream.trainer.finder.composites import Composer, Composite, Placement
from emostream.trainer.finder.pasting import piece
from emostream.trainer.finder.photos import Part, Photos

__all__ = ["main", "measure"]

_CONSTANT = "constant box"
_COST_ROUNDS = 40

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def _finder(
    photos: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Photographs, as `emostream-train finder` takes them.")
    ],
    finder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A trained finder; the one that ships if not given.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Composites of each condition.")] = 300,
    empty: Annotated[int, typer.Option(min=4, help="Pictures without faces.")] = 1080,
    part: Annotated[
        str, typer.Option(metavar="held_out|validation", help="Which people and backgrounds.")
    ] = "held_out",
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the report goes.")] = Path("benchmarks/results"),
    name: Annotated[str, typer.Option(help="Name of the report's files.")] = "finder",
) -> None:
    if part not in ("held_out", "validation"):
        raise ConfigError(f"--part {part} is unknown; choose held_out or validation")
    options = ["--photos", shown_path(photos), *([] if finder is None else ["--finder", shown_path(finder)])]
    options += ["--pictures", str(pictures), "--empty", str(empty), "--part", part]
    result = measure(photos, finder, pictures, empty, part, command=shown_command("finder", options))
    write_report(output, name, result, markdown(result))


def measure(photos: Path, finder: Path | None, pictures: int, empty: int, part: str, *, command: str) -> FinderReport:
    """Measure every detector on the same pictures, in this thread.

    Args:
        photos: folder of photographs.
        finder: folder of a trained finder.
        pictures: composites of each condition.
        empty: pictures without faces.
        part: of the photographs.
        command: what the report says was run.

    Raises:
        ConfigError: a detector can't be loaded.
    """
    cv2.setNumThreads(1)
    load, date, read = load_average(), today(), Photos(photos)
    people = read.part(part)
    detectors = _detectors(photos, finder, read.part("validation"))
    rows = [row for name in conditions() for row in _condition(name, people, detectors, pictures)]
    false = [
        FacelessRow(kind, who, len(images), sum(len(detect(image)) for image in images))
        for kind, images in faceless(people, empty, np.random.default_rng(SEED)).items()
        for who, detect in detectors.items()
    ]
    return FinderReport(
        benchmark="finder",
        date=date,
        command=command,
        machine=Machine.this(),
        load_average=load,
        part=part,
        finder="the one that ships" if finder is None else finder.name,
        conditions=rows,
        faceless=false,
        search_ms=_costs(people, detectors),
    )


def _detectors(photos: Path, finder: Path | None, validation: Part) -> dict[str, Detector]:
    beside = photos / YUNET.file
    yunet = choose_detector("yunet", beside if beside.is_file() else None).model
    assert yunet is not None, "choose_detector gives YuNet its model"
    boxes = viola_jones_boxes(validation)
    found: dict[str, Detector] = {}
    found["finder 640"] = our_detector(choose_detector("finder", finder).make())
    return found | {
        "yunet 640": yunet_detector(yunet, 640),
        "yunet 320": yunet_detector(yunet, 320),
        "viola-jones 640": viola_jones_detector(640, 24, boxes),
        "viola-jones 320": viola_jones_detector(320, 32, boxes),
    }


def _condition(name: str, part: Part, detectors: dict[str, Detector], count: int) -> list[ConditionRow]:
    print(f"measuring {name} ...", flush=True)
    rng, composer = np.random.default_rng(SEED), Composer(part, SEED)
    make = conditions()[name]
    composites = [make(composer, rng) for _ in range(count)]
    return [
        _row(name, who, detect, composites) for who, detect in (detectors | {_CONSTANT: _constant(composites)}).items()
    ]


def _row(condition: str, who: str, detect: Detector, composites: list[Composite]) -> ConditionRow:
    tally = Tally()
    for composite in composites:
        compare(detect(composite.image), composite, tally)
    eyes = 100 * np.array(tally.eyes)
    return ConditionRow(
        condition=condition,
        detector=who,
        faces=tally.faces,
        recall=round(100 * tally.found / max(1, tally.faces), 1),
        false=tally.false,
        eyes_mean=round(float(eyes.mean()), 2) if len(eyes) else None,
        eyes_p95=round(float(np.percentile(eyes, 95)), 2) if len(eyes) else None,
    )


def _constant(composites: list[Composite]) -> Detector:
    """A box of the median size in the middle, whatever the picture shows."""
    size = np.median(np.concatenate([each.boxes for each in composites])[:, 2:], axis=0)
    box = np.concatenate([(np.array([WIDTH, HEIGHT]) - size) / 2, size]).astype(np.float64)
    return lambda _: [(box, None)]


def _costs(part: Part, detectors: dict[str, Detector]) -> dict[str, dict[str, float]]:
    """Milliseconds of a search, medians; the detectors take turns."""
    one = Composer(part, SEED).scene(HEIGHT, WIDTH, [Placement((320.0, 240.0), 110.0)]).image
    none = piece(part.backgrounds[0], HEIGHT, WIDTH, np.random.default_rng(SEED))
    found = {}
    for name, image in (("one face", one), ("no face", none)):
        times: dict[str, list[float]] = {who: [] for who in detectors}
        for number in range(_COST_ROUNDS + 2):
            for who, detect in detectors.items():
                seconds = _timed(detect, image)
                if number > 1:  # the first ones allocate and compile
                    times[who].append(1e3 * seconds)
        found[name] = {who: round(statistics.median(each), 2) for who, each in times.items()}
    return found


def _timed(detect: Callable[[Image], object], image: Image) -> float:
    begun = time.perf_counter()
    detect(image)
    return time.perf_counter() - begun


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "finder")


if __name__ == "__main__":
    main()
