"""The INT8 networks of a bundle: made, compared with what they replace, and kept with what was found."""

from __future__ import annotations

import logging
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from emostream.engines.backends.openvino.engine import OpenVinoEngine, processor
from emostream.engines.backends.openvino.int8_cache import HeadCost, Int8Cache, Int8Report, StoredInt8
from emostream.engines.backends.openvino.quantize import FORMS, nncf_version, save_int8
from emostream.engines.bundle import Bundle
from emostream.engines.engine import Batch, Engine
from emostream.engines.errors import ConfigError, EngineError
from emostream.engines.heads import HEAD_NAMES, HeadName
from emostream.engines.pooling import Features
from emostream.engines.recognizer import NetworkInputs, Recognizer
from emostream.engines.tensors import NetworkRole

__all__ = ["LEAST_UNCHANGED", "MOST_RECALL_LOST", "Example", "build_int8", "compare", "embedded", "refusal"]

_log = logging.getLogger("emostream")

MOST_RECALL_LOST = 0.005
"""Of any head, on held-out recordings."""

LEAST_UNCHANGED = 0.97
"""Share of decisions on single held-out segments that stay as they were, of any head."""

_CALIBRATION = {"audio": 300, "video": 128}  # segments; NNCF itself takes 300, but a clip is 0.8 MB
_ALONE: dict[NetworkRole, HeadName] = {"audio": "audio", "video": "video"}
_BATCH = 4
_RUNS = 40

Watch = Callable[[str], None]
"""Told what is being done."""


@dataclass(frozen=True, eq=False)
class Example:
    """A real recording.

    Attributes:
        segments: what the networks see of it; without voice and face they are of no use.
        label: what it shows; None where nobody says.
    """

    segments: Sequence[NetworkInputs]
    label: str | None


def build_int8(
    bundle: Bundle,
    calibrating: Sequence[Example],
    held_out: Sequence[Example],
    cache: Int8Cache,
    watch: Watch = lambda _: None,
) -> StoredInt8:
    """Quantise what can be quantised of a bundle, measure it, and keep it with its report.

    The fusion network stays as it is: it is small, and what it takes has been through both others.

    Args:
        bundle: to quantise.
        calibrating: recordings whose segments set the ranges.
        held_out: recordings that tell what it costs.
        cache: keeps the networks.
        watch: told of the progress.

    Raises:
        ConfigError: the recordings have too little of what is needed, or no network can do with INT8.
        EngineError: NNCF is missing, or the bundle can't be run.
        OSError: the cache can't be written.
    """
    nncf = nncf_version()
    exact = OpenVinoEngine(bundle, files={})
    with exact, cache.making() as folder:
        before = embedded(Recognizer(bundle, exact), held_out)
        files: dict[NetworkRole, Path] = {}
        forms: dict[NetworkRole, str] = {}
        dear: list[str] = []
        for role, head in _ALONE.items():
            inputs = _inputs(role, calibrating)
            if not inputs or not _serves(role, held_out):
                continue
            reason = ""
            for form in FORMS:
                watch(f"{role}: quantising {form}")
                try:
                    file = save_int8(bundle.network_file(role), inputs, form, folder / f"{role}.xml")
                    with OpenVinoEngine(bundle, files={role: file}) as tried:
                        reason = _too_dear(head, compare(bundle, before, tried, held_out)[head])
                except EngineError as error:  # OpenVINO can't run every form of every network
                    reason = str(error)
                    continue
                if not reason:
                    files[role], forms[role] = file, form
                    break
            if reason:
                dear.append(reason)
                _log.info("the %s network stays in %s: in INT8 %s", role, exact.precision, reason)
                for each in folder.glob(f"{role}.*"):
                    each.unlink()
        if not files:
            raise ConfigError(
                f"INT8 is too dear for this bundle: {'; '.join(dear)}; it stays in {exact.precision}"
                if dear
                else "the recordings show no face and no voice, half of them at least; name others"
            )
        watch("measuring")
        with OpenVinoEngine(bundle, files=files) as quantised:
            heads = compare(bundle, before, quantised, held_out)
            milliseconds = _alternating_ms(exact, quantised, bundle)
        report = Int8Report(
            bundle=bundle.manifest.name,
            sha256=bundle.sha256,
            forms=forms,
            files={},
            versions={"openvino": version("openvino"), "nncf": nncf},
            processor=processor(),
            before=exact.precision,
            calibrated_on=len(calibrating),
            heads=heads,
            milliseconds=milliseconds,
            refused=refusal(heads, milliseconds, exact.precision),
        )
        return cache.store(folder, report)


def embedded(recognizer: Recognizer, examples: Sequence[Example]) -> list[list[Features]]:
    """The embeddings of each recording's segments."""
    return [recognizer.embed_all(example.segments, _BATCH) for example in examples]


def compare(
    bundle: Bundle, before: Sequence[Sequence[Features]], other: Engine, examples: Sequence[Example]
) -> dict[HeadName, HeadCost]:
    """What another engine of the same bundle costs each head that has anything to decide on.

    Args:
        bundle: whose heads decide.
        before: what `embedded` gave on the engine that it is compared with.
        other: loaded.
        examples: recordings.
    """
    labels = bundle.manifest.labels
    singles: dict[HeadName, list[tuple[int, int]]] = defaultdict(list)
    pooled: dict[HeadName, list[tuple[int, int, int]]] = defaultdict(list)
    for example, known, found in zip(examples, before, embedded(Recognizer(bundle, other), examples), strict=True):
        for head in HEAD_NAMES:
            rows = [i for i, each in enumerate(known) if each.get(head) is not None]
            if not rows:
                continue
            features = [np.array([some[i].get(head) for i in rows], np.float32) for some in (known, found)]
            one, two = (_decided(bundle, head, each) for each in features)
            singles[head] += list(zip(one, two, strict=True))
            if example.label in labels:
                means = (_decided(bundle, head, each.mean(axis=0, keepdims=True))[0] for each in features)
                pooled[head].append((labels.index(example.label), *cast(tuple[int, int], tuple(means))))
    return {head: _cost(singles[head], pooled[head]) for head in singles}


def refusal(heads: dict[HeadName, HeadCost], milliseconds: tuple[float, float], before: str) -> str:
    """Why `--precision auto` should not take INT8; empty where it should."""
    for head, cost in heads.items():
        if reason := _too_dear(head, cost):
            return reason
    if milliseconds[1] >= milliseconds[0]:
        return f"it is no faster than {before} on this machine ({milliseconds[1]:.1f} against {milliseconds[0]:.1f} ms)"
    if not any(cost.recordings for cost in heads.values()):
        return "no recording has a label, so what it costs in recall is unknown"
    return ""


def _too_dear(head: HeadName, cost: HeadCost) -> str:
    if cost.changed > (1.0 - LEAST_UNCHANGED) * cost.segments:
        return f"it changes {cost.changed} of {cost.segments} decisions of the {head} head"
    if cost.recall is not None and cost.recall_int8 is not None and cost.recall - cost.recall_int8 > MOST_RECALL_LOST:
        return f"it costs the {head} head {100 * (cost.recall - cost.recall_int8):.1f} points of recall"
    return ""


def _cost(singles: list[tuple[int, int]], pooled: list[tuple[int, int, int]]) -> HeadCost:
    def recall(place: int) -> float | None:
        by_label: dict[int, list[bool]] = defaultdict(list)
        for row in pooled:
            by_label[row[0]].append(row[0] == row[place])
        return statistics.fmean(map(statistics.fmean, by_label.values())) if by_label else None

    return HeadCost(len(singles), sum(one != two for one, two in singles), len(pooled), recall(1), recall(2))


def _decided(bundle: Bundle, head: HeadName, features: npt.NDArray[np.float32]) -> list[int]:
    found: list[int] = bundle.heads[head].probabilities(features).argmax(axis=1).tolist()
    return found


def _inputs(role: NetworkRole, examples: Sequence[Example]) -> list[npt.NDArray[Any]]:
    """Inputs of one network, each with a batch axis; evenly from all recordings where there are too many."""
    found = [each for example in examples for each in example.segments]
    given = [value for each in found if (value := _input(role, each)) is not None]
    most = _CALIBRATION[role]
    chosen = (
        np.unique(np.linspace(0, len(given) - 1, most).round().astype(int)) if len(given) > most else range(len(given))
    )
    return [np.ascontiguousarray(given[place])[None] for place in chosen]


def _input(role: NetworkRole, segment: NetworkInputs) -> npt.NDArray[Any] | None:
    return segment.mel if role == "audio" else segment.clip


def _serves(role: NetworkRole, examples: Sequence[Example]) -> bool:
    return any(_input(role, segment) is not None for example in examples for segment in example.segments)


def _alternating_ms(exact: Engine, quantised: Engine, bundle: Bundle) -> tuple[float, float]:
    """Median milliseconds of a segment with voice and face on either engine, in turns, since machines are shared."""
    rng = np.random.default_rng(0)
    audio, video = (bundle.manifest.networks[role].inputs[0].shape for role in ("audio", "video"))
    mel = rng.standard_normal((1, *audio), dtype=np.float32)
    batch = Batch(mel, rng.integers(0, 256, (1, *video), dtype=np.uint8), ((0, 0),))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_RUNS):
        for engine, own in zip((exact, quantised), times, strict=True):
            begun = time.perf_counter()
            engine.embed(batch)
            own.append(1e3 * (time.perf_counter() - begun))
    before, after = (round(statistics.median(own), 3) for own in times)
    return before, after
