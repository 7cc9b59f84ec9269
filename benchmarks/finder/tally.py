"""What is counted of each detector: recall, exactness of the eyes, false faces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.finder.detectors import Found
from benchmarks.finder.scenes import HEIGHT, WIDTH
from emostream.trainer.finder.composites import Composite

__all__ = ["Tally", "compare"]

_SAME = 0.5  # IoU from which a face is found


@dataclass
class Tally:
    """What one detector did in one condition."""

    faces: int = 0
    found: int = 0
    false: int = 0
    eyes: list[float] = field(default_factory=list)  # mean error of both, in distances of the eyes


def compare(found: Found, composite: Composite, tally: Tally) -> None:
    """Count the faces that were found, each once, and how far off their eyes are."""
    free = list(range(len(found)))
    tally.faces += len(composite.boxes)
    for box, points in zip(composite.boxes, composite.points, strict=True):
        overlaps = [(_overlap(found[i][0], box), i) for i in free]
        best, index = max(overlaps, default=(0.0, -1))
        if best < _SAME:
            continue
        free.remove(index)
        tally.found += 1
        eyes = found[index][1]
        if eyes is not None:
            truth = points[:2].astype(np.float64)
            truth = truth[np.argsort(truth[:, 0])]
            apart = np.hypot(*(truth[1] - truth[0]))
            error = np.hypot(*(eyes - truth).T).mean() / apart
            tally.eyes.append(float(error))
    tally.false += sum(1 for i in free if all(_overlap(found[i][0], box) < 0.3 for box in composite.boxes))


def _overlap(box: npt.NDArray[np.float64], other: npt.NDArray[np.float32]) -> float:
    """IoU of the parts of two boxes that lie in the picture."""
    size = np.array([WIDTH, HEIGHT])
    a0, a1 = np.maximum(box[:2], 0), np.minimum(box[:2] + box[2:], size)
    b0, b1 = np.maximum(other[:2], 0), np.minimum(other[:2] + other[2:], size)
    common = np.clip(np.minimum(a1, b1) - np.maximum(a0, b0), 0, None).prod()
    union = np.clip(a1 - a0, 0, None).prod() + np.clip(b1 - b0, 0, None).prod() - common
    return float(common / union) if union > 0 else 0.0
