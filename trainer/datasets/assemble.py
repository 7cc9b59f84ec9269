"""From the recordings that a reader found to the data set that was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from emostream.engines.errors import ConfigError, DataError
from emostream.trainer.datasets.base import PAPER_LABELS, DataSet, ReadOptions, Recording
from emostream.trainer.datasets.files import same_content

__all__ = ["assemble"]

_LOSSLESS = {".wav", ".flac"}


def assemble(
    name: str,
    found: Iterable[Recording],
    options: ReadOptions,
    *,
    known: Sequence[str],
    default: Sequence[str] = PAPER_LABELS,
    protocol: Literal["subjects", "five-groups"] = "subjects",
    left_out: Mapping[str, int] | None = None,
) -> DataSet:
    """Rename and choose classes, and drop what is there twice.

    Args:
        name: of the data set, as `--dataset` takes it.
        found: every recording, with the data set's own classes.
        options: which of them are wanted.
        known: the classes that the data set has.
        default: the classes to keep where the options name none and `known` has them.
        protocol: how the paper splits it.
        left_out: what the reader left out itself, and how much.

    Returns:
        The data set, sorted by name.

    Raises:
        ConfigError: the options name a class that it doesn't have.
        DataError: no recordings, none of a wanted class, or files that can't be read.
    """
    labels = _labels(name, options, known, default)
    counts = Counter({reason: n for reason, n in (left_out or {}).items() if n})
    recordings = sorted(replace(each, label=options.merge.get(each.label, each.label)) for each in found)
    there = Counter(each.label for each in recordings)
    for reasons in (partial(_unwanted, labels), _encodings, _copies):
        why = reasons(recordings)
        counts.update(why.values())
        recordings = [each for each in recordings if each.path not in why]
    kept = Counter(each.label for each in recordings)
    if there and (missing := [label for label in labels if not kept[label]]):
        raise DataError(
            f"data set {name} has no recordings of {', '.join(missing)}, but "
            f"{', '.join(f'{n} of {label}' for label, n in sorted(there.items()))}; "
            f"check that it is complete, or choose the labels that it has"
        )
    return DataSet(name, labels, tuple(recordings), protocol, dict(counts))


def _labels(name: str, options: ReadOptions, known: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
    for label in options.merge:
        if label not in known:
            raise ConfigError(f"data set {name} has no {label} that could be merged; it has {', '.join(known)}")
    merged = {options.merge.get(label, label) for label in known}
    if options.labels is None:
        return tuple(label for label in default if label in merged)
    for label in options.labels:
        if label not in merged:
            raise ConfigError(f"data set {name} has no {label}; choose from {', '.join(sorted(merged))}")
    return options.labels


def _unwanted(labels: Sequence[str], recordings: Sequence[Recording]) -> dict[Path, str]:
    return {each.path: "other emotions" for each in recordings if each.label not in labels}


def _encodings(recordings: Sequence[Recording]) -> dict[Path, str]:
    """Files beside another one of the same name but for the suffix, as people make them by converting a data set."""
    groups: dict[PurePosixPath, list[Recording]] = {}
    for each in recordings:
        groups.setdefault(PurePosixPath(each.name).with_suffix(""), []).append(each)
    ranked = (sorted(group, key=lambda each: each.path.suffix.lower() not in _LOSSLESS) for group in groups.values())
    return {each.path: "another encoding of the same recording" for _, *others in ranked for each in others}


def _copies(recordings: Sequence[Recording]) -> dict[Path, str]:
    """All but the first of several equal files; all of them where it isn't clear which label is right."""
    labels = {each.path: each.label for each in recordings}
    reasons: dict[Path, str] = {}
    for same in same_content(labels):
        if len({labels[path] for path in same}) > 1:
            reasons |= dict.fromkeys(same, "copies with different labels")
        else:
            reasons |= dict.fromkeys(same[1:], "a copy of another recording")
    return reasons
