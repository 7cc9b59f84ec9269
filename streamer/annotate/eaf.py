"""ELAN's annotation format, EAF 3.0: tiers for the labels, the utterances, and where something is missing.

    emotion       the label of each segment         emotion-score, emotion-head    what belongs to it
    utterances    spoken turns, their final label
    no-face, no-voice, missing-events               where, and why

The format: Wittenburg, Brugman, Russel, Klassmann and Sloetjes 2006, and the schema EAFv3.0.xsd of the Max Planck
Institute for Psycholinguistics.
"""

from __future__ import annotations

import mimetypes
import os
import re
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from emostream.streamer.eventlog.timeline import Span, Timeline

__all__ = ["eaf_of", "write_eaf"]

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 can't hold
_TIERS = ("emotion", "utterances", "no-face", "no-voice", "missing-events")
_CHILDREN = ("emotion-score", "emotion-head")
_ALIGNED, _BELONGING = "stretch", "value"
_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent are "
    "ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}


def write_eaf(path: Path, line: Timeline, *, media: Path | None, target: Path) -> None:
    """Write a timeline.

    Args:
        path: where to.
        line: to be written.
        media: what it annotates; None where that was not kept.
        target: where the file will lie, from which the media is named.

    Raises:
        OSError: there is no room.
    """
    tree = ET.ElementTree(eaf_of(line, media=media, target=target))
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def eaf_of(line: Timeline, *, media: Path | None, target: Path) -> ET.Element:
    """The document; its parameters are those of `write_eaf`."""
    return _Document(line).build(media, target)


class _Document:
    """Numbers the annotations, and gives those that begin or end at one moment one time slot."""

    def __init__(self, line: Timeline) -> None:
        self._line = line
        self._annotations = 0
        spans: dict[str, list[Span]] = {
            "emotion": [Span(one.start, one.end, one.label or one.text) for one in line.intervals],
            "utterances": line.utterances,
            "no-face": line.no_face,
            "no-voice": line.no_voice,
            "missing-events": line.missing,
        }
        self._spans = {name: _in_milliseconds(stretches) for name, stretches in spans.items()}
        times = sorted({t for stretches in self._spans.values() for start, end, _ in stretches for t in (start, end)})
        self._slots = {t: f"ts{number}" for number, t in enumerate(times, 1)}

    def build(self, media: Path | None, target: Path) -> ET.Element:
        root = ET.Element(
            "ANNOTATION_DOCUMENT",
            {
                "AUTHOR": f"emostream {version('emostream')}",
                "DATE": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "FORMAT": "3.0",
                "VERSION": "3.0",
                "xmlns:xsi": _XSI,
                "xsi:noNamespaceSchemaLocation": _SCHEMA,
            },
        )
        header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
        if media is not None:
            ET.SubElement(header, "MEDIA_DESCRIPTOR", _media(media, target))
        last = ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
        order = ET.SubElement(root, "TIME_ORDER")
        for t, name in self._slots.items():
            ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": name, "TIME_VALUE": str(t)})
        owners = {name: self._aligned(root, name) for name in _TIERS}["emotion"]
        scores = [None if one.score is None else f"{one.score:.2f}" for one in self._line.intervals]
        heads = [one.head for one in self._line.intervals]
        for name, values in zip(_CHILDREN, (scores, heads), strict=True):
            self._belonging(root, name, owners, values)
        last.text = str(self._annotations)
        _types(root)
        return root

    def _tier(self, root: ET.Element, name: str, kind: str, parent: str | None = None) -> ET.Element:
        attributes = {"LINGUISTIC_TYPE_REF": kind, "TIER_ID": name}
        return ET.SubElement(root, "TIER", attributes | ({"PARENT_REF": parent} if parent else {}))

    def _number(self) -> str:
        self._annotations += 1
        return f"a{self._annotations}"

    def _aligned(self, root: ET.Element, name: str) -> list[str]:
        tier = self._tier(root, name, _ALIGNED)
        numbers = []
        for start, end, text in self._spans[name]:
            numbers.append(self._number())
            attributes = {"ANNOTATION_ID": numbers[-1]}
            attributes |= {"TIME_SLOT_REF1": self._slots[start], "TIME_SLOT_REF2": self._slots[end]}
            annotation = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", attributes)
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = _UNFIT.sub("?", text)
        return numbers

    def _belonging(self, root: ET.Element, name: str, owners: list[str], values: list[str | None]) -> None:
        tier = self._tier(root, name, _BELONGING, "emotion")
        for owner, value in zip(owners, values, strict=True):
            if value is not None:
                attributes = {"ANNOTATION_ID": self._number(), "ANNOTATION_REF": owner}
                annotation = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), "REF_ANNOTATION", attributes)
                ET.SubElement(annotation, "ANNOTATION_VALUE").text = _UNFIT.sub("?", value)


def _in_milliseconds(spans: list[Span]) -> list[tuple[int, int, str]]:
    """Spans as whole milliseconds: none is empty, and none begins before the one before it has ended."""
    rounded: list[tuple[int, int, str]] = []
    for start, end, text in spans:
        first = max(round(1000 * start), rounded[-1][1] if rounded else 0)
        rounded.append((first, max(round(1000 * end), first + 1), text))
    return rounded


def _media(media: Path, target: Path) -> dict[str, str]:
    kind = {".mkv": "video/x-matroska"}.get(media.suffix.lower()) or mimetypes.guess_type(media.name)[0]
    named = {"MEDIA_URL": media.resolve().as_uri(), "MIME_TYPE": kind or "unknown"}
    try:
        relative = os.path.relpath(media.resolve(), target.parent.resolve())
    except ValueError:  # on another drive of Windows
        return named
    named["RELATIVE_MEDIA_URL"] = f"./{Path(relative).as_posix()}"
    return named


def _types(root: ET.Element) -> None:
    for name, alignable, constraint in ((_ALIGNED, "true", None), (_BELONGING, "false", "Symbolic_Association")):
        attributes = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": name, "TIME_ALIGNABLE": alignable}
        ET.SubElement(root, "LINGUISTIC_TYPE", attributes | ({"CONSTRAINTS": constraint} if constraint else {}))
    for stereotype, description in _CONSTRAINTS.items():
        ET.SubElement(root, "CONSTRAINT", {"DESCRIPTION": description, "STEREOTYPE": stereotype})
