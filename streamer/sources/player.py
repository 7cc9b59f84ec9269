"""Reads a source that is not reopened: a recording, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Callable

from emostream.engines.errors import SourceError
from emostream.streamer.protocol.events import SourceState
from emostream.streamer.sources.base import Playback, Sinks, Source

__all__ = ["Player"]


class Player:
    """Reads a source in a thread of its own. It is not opened again: its end is its end."""

    def __init__(
        self,
        source: Source,
        sinks: Sinks,
        playback: Playback,
        on_state: Callable[[SourceState], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Read a source that is open into `sinks`; `on_state` is told its state, `on_lost` why it ended too soon."""
        self._source, self._sinks, self._playback = source, sinks, playback
        self._on_state, self._on_lost = on_state, on_lost

    def run(self) -> None:
        """Work until the source or the stream ends."""
        state: SourceState = "ended"
        self._on_state("running")
        try:
            self._source.run(self._sinks, self._playback)
        except SourceError as error:
            state = "lost"
            self._on_lost(str(error))
        finally:
            self._sinks.finish()
            self._on_state(state)
            self._source.close()
