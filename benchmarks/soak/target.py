"""emostream, whose engine fails once after each SIGUSR1: `python -m benchmarks.soak.target OPTIONS`."""

from __future__ import annotations

import signal
import threading
from typing import Any

from emostream.__main__ import main as command
from emostream.engines.engine import Batch, Embeddings
from emostream.engines.errors import EngineError
from emostream.streamer.pipeline import pipeline

__all__ = ["main"]


def main() -> None:
    """Run the command `emostream`."""
    failing = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: failing.set())
    choose = pipeline.choose_engine  # type: ignore[attr-defined]

    def choose_faulty(*arguments: Any) -> Any:
        engine, reason = choose(*arguments)
        embed = engine.embed

        def fail_once(batch: Batch) -> Embeddings:
            if failing.is_set():
                failing.clear()
                raise EngineError("the engine was told to fail")
            return embed(batch)

        engine.embed = fail_once  # type: ignore[method-assign]
        return engine, reason

    pipeline.choose_engine = choose_faulty  # type: ignore[attr-defined, assignment]
    command()


if __name__ == "__main__":
    main()
