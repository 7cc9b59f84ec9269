"""Lab Streaming Layer: scores and labels as streams that LabRecorder and the like find by themselves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from typing_extensions import Self

from emostream.engines.errors import ConfigError
from emostream.streamer.protocol.events import Event, ResultEvent, UtteranceEvent

__all__ = ["LslBridge", "clock_offset"]

_log = logging.getLogger("emostream")

_READINGS = 20  # of both clocks; the closest pair tells how far they are apart


class LslBridge:
    """Two LSL outlets for each stream.

    `emostream-STREAM-scores`, of type Emotion: a float32 channel for each label, probabilities from 0 to 1, at the end
    of each segment, which come about every 300 ms; NaN without face and voice. `emostream-STREAM-labels`, of type
    Markers: a text at each change of the label (`none` without one), and `utterance LABEL` at the end of each
    utterance. All times are those of capture, on LSL's clock.
    """

    def __init__(self, streams: Sequence[str], labels: Sequence[str], unix_offset: float, source: str) -> None:
        """Make outlets for these streams; nothing is visible before `with`.

        Args:
            streams: their names.
            labels: of the bundle, in its order.
            unix_offset: Unix time minus monotonic time, in seconds, fixed for the session.
            source: tells one emostream from another where its streams are found again after a restart.

        Raises:
            ConfigError: pylsl or its library is missing.
        """
        try:
            import pylsl
        except (ImportError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f'--lsl needs pylsl and liblsl ({reason}); `pip install "emostream[lab]"` brings them'
            ) from None
        self._lsl: Any = pylsl
        self._streams, self._labels, self._unix_offset, self._source = streams, labels, unix_offset, source
        self._outlets: dict[str, tuple[Any, Any]] = {}
        self._last: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Show the streams on the network."""
        self._offset = clock_offset(self._lsl.local_clock)
        outlet = self._lsl.StreamOutlet
        self._outlets = {s: (outlet(self._scores(s)), outlet(self._markers(s))) for s in self._streams}
        _log.info(
            "LSL streams %s, for everyone on the network", ", ".join(f"emostream-{s}-scores" for s in self._streams)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._outlets.clear()

    def on_event(self, event: Event) -> None:
        """Push an event that was just published."""
        if not isinstance(event, ResultEvent):
            return
        scores, markers = self._outlets[event.stream]
        captured = event.t_end - self._unix_offset + self._offset
        if isinstance(event, UtteranceEvent):
            markers.push_sample([f"utterance {event.label or 'none'}"], captured)
            return
        found = event.scores or {}
        scores.push_sample([found.get(label, float("nan")) for label in self._labels], captured)
        label = event.label or "none"
        if self._last.get(event.stream) != label:
            self._last[event.stream] = label
            markers.push_sample([label], captured)

    def _scores(self, stream: str) -> Any:
        info = self._info(stream, "scores", "Emotion", len(self._labels), self._lsl.cf_float32)
        channels = info.desc().append_child("channels")
        for label in self._labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "probability")
            channel.append_child_value("type", "Emotion")
        info.desc().append_child_value("manufacturer", "emostream")
        return info

    def _markers(self, stream: str) -> Any:
        return self._info(stream, "labels", "Markers", 1, self._lsl.cf_string)

    def _info(self, stream: str, what: str, kind: str, channels: int, values: int) -> Any:
        name, source = f"emostream-{stream}-{what}", f"{self._source}-{stream}-{what}"
        return self._lsl.StreamInfo(name, kind, channels, self._lsl.IRREGULAR_RATE, values, source)


def clock_offset(lsl_clock: Callable[[], float]) -> float:
    """LSL's clock minus the monotonic one, in seconds: read between two readings of the other, as close as can be."""
    readings = []
    for _ in range(_READINGS):
        before = time.monotonic()
        lsl = lsl_clock()
        after = time.monotonic()
        readings.append((after - before, lsl - (before + after) / 2))
    return min(readings)[1]
