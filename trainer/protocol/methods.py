"""Everything the paper compares, one row a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emostream.trainer.training.stages import FusionVariant

__all__ = ["FUSIONS", "METHODS", "Kind", "Method"]

Kind = Literal["feature", "concatenated", "rule"]

FUSIONS = {
    "dbn-2": FusionVariant(),
    "dbn-1": FusionVariant(depth=1),
    "dbn-3": FusionVariant(depth=3),
    "fc-1": FusionVariant("fc", depth=1),
    "fc-2": FusionVariant("fc", depth=2),
    "fc-3": FusionVariant("fc", depth=3),
    "dbn-2-random": FusionVariant(pretrained=False),
    "dbn-2-minmax": FusionVariant(scaling="minmax"),
    "dbn-2-standard": FusionVariant(scaling="standard"),
}
"""The fusion networks by name. One of the last two is the preset's own scaling, and then the same as `dbn-2`."""


@dataclass(frozen=True)
class Method:
    """One way from embeddings to a decision on a recording.

    Attributes:
        key: its name in files.
        tables: the tables of the report that it stands in, each with the title of its row.
        kind: an SVM on one pooled feature; on both pooled embeddings side by side; or a rule on both SVMs' scores.
        source: the feature, or the rule.
        pooling: of segments.
        paper: accuracy in % on RML, eNTERFACE05 and BAUM-1s; None where the paper gives none.
    """

    key: str
    tables: dict[str, str]
    kind: Kind
    source: str
    pooling: Literal["average", "max"] = "average"
    paper: tuple[float, float, float] | None = None


def _feature(key: str, paper: tuple[float, float, float] | None = None, /, **tables: str) -> Method:
    return Method(key, tables, "feature", key, paper=paper)


def _rule(key: str, paper: tuple[float, float, float], /, **tables: str) -> Method:
    return Method(key, tables, "rule", key, paper=paper)


METHODS: tuple[Method, ...] = (
    _feature("audio-original", (59.46, 51.33, 36.10), I="Audio: original AlexNet"),
    _feature("audio-15", (50.06, 52.33, 33.64), IV="64 x 15 x 3"),
    _feature("audio", (66.17, 78.08, 42.26), I="Audio: fine-tuned AlexNet", II="Ours", IV="64 x 64 x 3"),
    _feature("video-original", (53.03, 48.97, 41.69), I="Visual: original C3D"),
    _feature("video", (68.09, 54.35, 50.11), I="Visual: fine-tuned C3D", III="Ours"),
    Method("concatenated", {"VI": "Feature-level"}, "concatenated", "concatenated", paper=(74.04, 81.02, 51.72)),
    _rule("majority", (63.58, 69.14, 45.35), V="Majority vote"),
    _rule("max", (72.05, 80.31, 48.89), V="Max"),
    _rule("sum", (72.79, 80.85, 50.01), V="Sum"),
    _rule("min", (72.91, 78.76, 50.08), V="Min"),
    _rule("average", (72.79, 80.85, 50.01), V="Average"),
    _rule("product", (74.60, 81.62, 51.73), V="Product", VI="Decision-level (product)"),
    _rule("score", (73.92, 80.85, 51.58), VI="Score-level (0.5 / 0.5)"),
    _feature("fc-1", (78.84, 83.55, 52.35), VI="FC", X="FC-1"),
    _feature("fc-2", (77.92, 82.72, 51.50), X="FC-2"),
    _feature("fc-3", (75.67, 81.25, 50.43), X="FC-3"),
    _feature("dbn-1", (78.50, 84.16, 51.61), X="DBN-1"),
    _feature("dbn-2", (80.36, 85.97, 54.57), VI="DBN", X="DBN-2", XI="Ours", pooling="DBN, average pooling"),
    _feature("dbn-3", (80.10, 85.02, 53.38), X="DBN-3"),
    Method("dbn-2-max", {"pooling": "DBN, max pooling"}, "feature", "dbn-2", pooling="max"),
    _feature("dbn-2-minmax", scaling="Inputs scaled to [0, 1], pre-trained"),
    _feature("dbn-2-standard", scaling="Inputs standardised, pre-trained"),
    _feature("dbn-2-random", scaling="Random initial weights, inputs as in DBN-2"),
)
