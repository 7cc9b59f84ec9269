"""From a data set's files to their segments on disk, in parallel processes, each recording once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from emostream.engines.errors import ConfigError, DataError, SourceError
from emostream.engines.frontend.detectors.base import FaceDetector
from emostream.engines.frontend.detectors.choose import VIOLA_JONES, DetectorChoice
from emostream.engines.frontend.grid import SEGMENT_SECONDS
from emostream.engines.offline import OfflineRecording
from emostream.engines.settings import SAMPLE_RATE, SEGMENT_SAMPLES
from emostream.trainer.datasets.base import DataSet, Recording
from emostream.trainer.processes import each_in_processes
from emostream.trainer.segments.store import Segments, SegmentStore

__all__ = ["PreparedRecording", "PreparedSet", "Problem", "prepare", "store_of"]


@dataclass(frozen=True, eq=False)
class PreparedRecording:
    """A recording and its segments."""

    recording: Recording
    segments: Segments


@dataclass(frozen=True)
class Problem:
    """What is wrong with one recording.

    Attributes:
        recording: of the data set.
        kind: a few words that reports count by.
        detail: what exactly; may be empty.
        lost: whether it is left out; otherwise it serves with what it has.
    """

    recording: Recording
    kind: str
    detail: str
    lost: bool


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """A data set whose recordings have been cut.

    Attributes:
        dataset: what was read.
        recordings: those that can be used, sorted by name.
        problems: of these and of the others.
    """

    dataset: DataSet
    recordings: tuple[PreparedRecording, ...]
    problems: tuple[Problem, ...]


def prepare(
    dataset: DataSet,
    cache: Path,
    *,
    jobs: int,
    detector: DetectorChoice = VIOLA_JONES,
    progress: Callable[[Recording, float], None] | None = None,
) -> PreparedSet:
    """Cut every recording that is not in the cache yet, and load the segments of all.

    What is finished stays in the cache, whatever happens after.

    Args:
        dataset: the recordings.
        cache: folder of segments; made if it isn't there.
        jobs: processes.
        detector: which finds the faces.
        progress: told of each recording as it is finished, and of the seconds of it that had to be cut.

    Raises:
        DataError: no recording can be used, or the cache can't be written.
        ConfigError: the face model can't be loaded.
    """
    store = store_of(cache, detector)
    store.sweep()
    found: list[PreparedRecording] = []
    problems: list[Problem] = []
    work = partial(_cut, store, detector)
    for outcome in each_in_processes(work, dataset.recordings, jobs=jobs, name=lambda recording: recording.name):
        recording = outcome.item
        if isinstance(outcome.error, DataError | ConfigError):  # of the cache or the model: the next would fail too
            raise outcome.error
        key, seconds_cut = outcome.value or ("", 0.0)
        segments = store.load(key) if key else None
        if outcome.error is not None:
            kind = "can't be decoded" if isinstance(outcome.error, SourceError) else "failed"
            problems.append(Problem(recording, kind, str(outcome.error), lost=True))
        elif segments is None:
            raise DataError(f"the segments of {recording.name} in {cache} are damaged; remove that folder")
        else:
            own = list(_problems(recording, segments))
            problems += own
            if not any(problem.lost for problem in own):
                found.append(PreparedRecording(recording, segments))
        if progress:
            progress(recording, seconds_cut)
    if not found:
        raise _nothing_usable(dataset, problems)
    problems += _missing_tracks(found)
    found.sort(key=lambda prepared: prepared.recording)
    problems.sort(key=lambda problem: (problem.recording, problem.kind))
    return PreparedSet(dataset, tuple(found), tuple(problems))


def store_of(cache: Path, detector: DetectorChoice = VIOLA_JONES) -> SegmentStore:
    """Where the segments lie that a face detector gave.

    Raises:
        ConfigError: the face model can't be read.
    """
    return SegmentStore(cache, detector.identity)


def _cut(store: SegmentStore, detector: DetectorChoice, recording: Recording) -> tuple[str, float]:
    """Cut one recording unless that has been done; its key, and the seconds that were cut."""
    key = store.key(recording.path)
    if store.load(key) is not None:
        return key, 0.0
    with OfflineRecording(str(recording.path), _made(detector)) as whole:
        written = store.write(key, whole, lambda: whole.length_s)
    return key, written.length_s


def _problems(recording: Recording, segments: Segments) -> Iterator[Problem]:
    if round(segments.length_s * SAMPLE_RATE) < SEGMENT_SAMPLES:
        detail = f"{segments.length_s:.3f} s, expected at least {SEGMENT_SECONDS} s"
        yield Problem(recording, "too short", detail, lost=True)
        return
    voice, face = segments.voiced.any(), segments.faces.any()
    if not segments.arrived.any() and not face:
        yield Problem(recording, "neither sound nor a face", "", lost=True)
        return
    if segments.samples.size and not voice:
        yield Problem(recording, "no voice", "", lost=False)
    if segments.pictures and not face:
        yield Problem(recording, "no face", "", lost=False)


def _missing_tracks(found: Sequence[PreparedRecording]) -> Iterator[Problem]:
    """Whose sound or pictures are missing where others of the data set have them."""
    sound = {each.recording: each.segments.samples.size > 0 for each in found}
    pictures = {each.recording: each.segments.pictures for each in found}
    for kind, there in (("no sound", sound), ("no pictures", pictures)):
        if any(there.values()):
            yield from (Problem(recording, kind, "", lost=False) for recording, has in there.items() if not has)


def _nothing_usable(dataset: DataSet, problems: Sequence[Problem]) -> DataError:
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(each.kind for each in problems).items())
    first = min(problems, key=lambda problem: problem.recording)
    example = f"{first.recording.name}: {first.detail or first.kind}"
    return DataError(
        f"none of the {len(dataset.recordings)} recordings of data set {dataset.name} can be used ({kinds}), "
        f"first {example}; check the files"
    )


@lru_cache(maxsize=1)  # a process cuts many recordings, and a detector keeps nothing of them
def _made(detector: DetectorChoice) -> FaceDetector:
    return detector.make()
