"""INT8 networks: quantised, compared, kept, and taken only where they are good."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from emostream.engines.backends.choose import choose_engine
from emostream.engines.backends.openvino.engine import OpenVinoEngine, processor
from emostream.engines.backends.openvino.int8_build import Example, build_int8, compare, embedded, refusal
from emostream.engines.backends.openvino.int8_cache import HeadCost, Int8Cache
from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError, EngineError
from emostream.engines.recognizer import Recognizer
from emostream.engines.starter import STARTER

pytest.importorskip("nncf", reason="INT8 needs the extra int8")


@dataclass(frozen=True)
class Inputs:
    mel: Any
    clip: Any


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(STARTER)


@pytest.fixture(scope="module")
def examples(bundle: Bundle) -> list[Example]:
    """Acted clips: real networks on other noise would be constant."""
    return [Example(acted(label, actor), label) for actor in (1, 2) for label in ("joy", "anger", "sadness")]


def acted(label: str, actor: int) -> Sequence[Inputs]:
    from emostream.engines.frontend.clip import FrameFace
    from emostream.engines.frontend.picture import align
    from emostream.engines.frontend.segmenter import Segmenter
    from emostream.trainer.actors.clip import Line, frames, samples
    from emostream.trainer.actors.face import Face

    script = [Line(label, 1.6, clear=True)]
    segmenter = Segmenter(audio=True, video=True)
    segmenter.push_audio(samples(script, actor=actor))
    portrait = Face(actor)._portrait
    x, y = portrait.home
    half = portrait.eye_x * portrait.unit
    for t, image in frames(script, actor=actor):
        crop = align(image, ((x - half, y), (x + half, y)))
        segmenter.push_frame(FrameFace(t, (640, 480), (0, 0, 9, 9), crop, 100.0))
    cut = [segmenter.cut() for _ in range(4)]
    return [Inputs(each.mel, each.clip) for each in cut if each.mel is not None or each.clip is not None]


@pytest.fixture(scope="module")
def built(bundle: Bundle, examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Int8Cache:
    from emostream.engines.backends.openvino import int8_build

    cache = Int8Cache(tmp_path_factory.mktemp("int8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8_build, "LEAST_UNCHANGED", 0.0)  # both are to be quantised, whatever it costs
        patch.setattr(int8_build, "MOST_RECALL_LOST", 1.0)
        build_int8(bundle, examples[:3], examples[3:], cache)
    return cache


def test_a_report_says_what_int8_costs_and_gives(bundle: Bundle, built: Int8Cache) -> None:
    found, reason = built.find(bundle.sha256)
    assert found is not None, reason
    report = found.report
    assert report.bundle == "starter"
    assert set(report.forms) == {"audio", "video"}
    assert set(report.heads) == {"audio", "video", "fused"}
    assert report.heads["video"].segments == 12
    assert report.heads["video"].recordings == 3
    assert report.processor == processor()
    assert min(report.milliseconds) > 0
    assert [each.report for each in built.stored()] == [report]
    assert sorted(each.name for each in found.folder.iterdir()) == [
        "audio.bin",
        "audio.xml",
        "report.json",
        "video.bin",
        "video.xml",
    ]
    assert not list(built.folder.glob(".making-*"))


def test_int8_networks_are_int8_and_give_nearly_the_same(
    bundle: Bundle, built: Int8Cache, examples: list[Example]
) -> None:
    found, _ = built.find(bundle.sha256)
    assert found is not None
    assert "FakeQuantize" in found.files["video"].read_text() or "i8" in found.files["video"].read_text()
    with OpenVinoEngine(bundle, "fp32", files={}) as exact, OpenVinoEngine(bundle, files=found.files) as quantised:
        assert (exact.precision, quantised.precision) == ("fp32", "int8")
        one, two = (Recognizer(bundle, engine).embed(examples[4].segments) for engine in (exact, quantised))
    for before, after in zip(one, two, strict=True):
        assert before.video is not None
        assert after.video is not None
        error = np.linalg.norm(after.video - before.video) / np.linalg.norm(before.video)
        assert 0 < error < 0.25


@pytest.mark.parametrize(
    ("dear", "forms"),
    [
        (1, {"audio": "all but the first layer", "video": "all layers"}),
        (2, {"video": "all layers"}),
        (3, {"video": "all but the first layer"}),
        (4, None),
    ],
)
def test_what_costs_too_much_is_left(
    bundle: Bundle, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dear: int, forms: Any
) -> None:
    from emostream.engines.backends.openvino import int8_build

    tried = []

    def costs(*arguments: Any) -> dict[str, HeadCost]:
        tried.append(arguments)
        changed = 50 if len(tried) <= dear else 0
        return {head: HeadCost(100, changed, 10, 0.9, 0.9) for head in ("audio", "video", "fused")}

    monkeypatch.setattr(int8_build, "compare", costs)
    cache = Int8Cache(tmp_path)
    if forms is None:
        with pytest.raises(ConfigError, match="changes 50 of 100 decisions of the audio head; it changes 50 of 100"):
            build_int8(bundle, examples[:1], examples[3:4], cache)
        assert list(tmp_path.iterdir()) == []
        return
    made = build_int8(bundle, examples[:1], examples[3:4], cache)
    assert made.report.forms == forms
    assert {each.stem for each in made.folder.iterdir()} == {*forms, "report"}
    with OpenVinoEngine(bundle, files=made.files) as engine:
        assert engine.precision == "int8"


def test_an_engine_compared_with_itself_costs_nothing(bundle: Bundle, examples: list[Example]) -> None:
    with OpenVinoEngine(bundle, "fp32", files={}) as engine:
        given = [*examples, Example(examples[0].segments, None)]
        costs = compare(bundle, embedded(Recognizer(bundle, engine), given), engine, given)
    assert costs["video"].segments == 7 * 4
    for cost in costs.values():
        assert cost.changed == 0
        assert cost.recall == cost.recall_int8
        assert cost.recordings == 6


@pytest.mark.parametrize(
    ("cost", "milliseconds", "words"),
    [
        (HeadCost(1000, 30, 50, 0.7, 0.696), (20.0, 10.0), ""),
        (HeadCost(1000, 31, 50, 0.7, 0.7), (20.0, 10.0), "changes 31 of 1000 decisions"),
        (HeadCost(1000, 0, 50, 0.7, 0.694), (20.0, 10.0), "0.6 points of recall"),
        (HeadCost(1000, 0, 50, 0.7, 0.8), (20.0, 21.0), "no faster than bf16"),
        (HeadCost(1000, 0, 0, None, None), (20.0, 10.0), "no recording has a label"),
    ],
)
def test_what_is_refused(cost: HeadCost, milliseconds: tuple[float, float], words: str) -> None:
    found = refusal({"audio": cost}, milliseconds, "bf16")
    assert bool(found) == bool(words)
    assert words in found


def kept_with(cache: Int8Cache, bundle: Bundle, folder: Path, **changes: Any) -> Int8Cache:
    """The same networks in another cache, with another report."""
    found, _ = cache.find(bundle.sha256)
    assert found is not None
    other = Int8Cache(folder)
    with other.making() as made:
        for file in found.folder.iterdir():
            if file.name != "report.json":
                (made / file.name).write_bytes(file.read_bytes())
        other.store(made, msgspec.structs.replace(found.report, **changes))
    return other


@pytest.mark.parametrize(
    ("changes", "precision", "taken"),
    [
        ({"refused": ""}, "auto", True),
        ({"refused": "it is no faster"}, "auto", False),
        ({"refused": "it is no faster"}, "int8", True),
        ({"refused": "", "processor": "another"}, "auto", False),
        ({"refused": ""}, "fp32", False),
    ],
)
def test_auto_takes_them_where_they_are_good_here(
    bundle: Bundle, built: Int8Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, changes: Any,
    precision: str, taken: bool,
) -> None:  # fmt: skip
    other = kept_with(built, bundle, tmp_path / "int8", **changes)
    monkeypatch.setattr("emostream.engines.backends.openvino.engine.Int8Cache", lambda: other)
    engine, _ = choose_engine("openvino", bundle, precision)
    with caplog.at_level(logging.INFO, "emostream"), engine:
        assert (engine.precision == "int8") == taken
    if precision == "auto":
        assert ("networks in INT8" in caplog.text) == taken
        assert ("are not taken: " in caplog.text) == (not taken)


def test_int8_without_any_says_how_to_make_them(bundle: Bundle, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("emostream.engines.backends.openvino.engine.Int8Cache", lambda: Int8Cache(tmp_path))
    engine, _ = choose_engine("auto", bundle, "int8")
    with pytest.raises(EngineError, match=r"there are none yet; `emostream engines build --engine openvino"):
        engine.load()


def test_damaged_ones_are_not_taken(bundle: Bundle, built: Int8Cache, tmp_path: Path) -> None:
    other = kept_with(built, bundle, tmp_path / "int8")
    found, _ = other.find(bundle.sha256)
    assert found is not None
    weights = found.folder / "video.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert other.find(bundle.sha256)[0] is None
    assert "damaged" in other.find(bundle.sha256)[1]
    (found.folder / "report.json").write_text("{")
    assert "damaged" in other.find(bundle.sha256)[1]
    assert other.stored() == []


def test_recordings_without_faces_and_voices_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    nothing = [Example([Inputs(None, None)], "joy")] * 2
    with pytest.raises(ConfigError, match="no face and no voice"):
        build_int8(bundle, nothing, nothing, Int8Cache(tmp_path))
