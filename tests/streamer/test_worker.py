"""An engine that fails: once, twice in a row, always."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from emostream.engines.bundle import Bundle
from emostream.engines.engine import HostEngine
from emostream.engines.errors import EngineRunError
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, MEL_BANDS, MEL_FRAMES
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.pipeline.segment_queue import SegmentQueue, TimedSegment
from emostream.streamer.pipeline.worker import Worker, WorkerStream
from emostream.streamer.protocol.events import Dropped, EmotionEvent, UtteranceEvent, decode
from emostream.streamer.publishing.channel import Channel
from tests.streamer.running import demo_clip

MEL = np.zeros((3, MEL_BANDS, MEL_FRAMES), np.float32)
CLIP = np.zeros((CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3), np.uint8)
SEGMENTS = 6


class Failing(HostEngine):
    """An engine whose runs of the audio network, counted from 0 behind the first that warms up, fail as told."""

    name, device, precision, batch_size = "failing", "CPU", "fp32", 1

    def __init__(self, bundle, fails, *, fails_to_close=False):
        super().__init__(bundle)
        self.fails, self.fails_to_close = fails, fails_to_close
        self.runs = -1

    def load(self):
        pass

    def close(self):
        if self.fails_to_close:
            raise RuntimeError("can't even be freed")

    def run(self, role, *inputs):
        if role == "audio":
            self.runs += 1
            if self.runs and self.fails(self.runs - 1):
                raise ValueError(f"failed in run {self.runs - 1}")
        return np.ones((inputs[0].shape[0], self.bundle.embedding_size(role)), np.float32)


def timed(index: int) -> TimedSegment:
    """A segment that is all speech."""
    first, end = (index * 4800) // 512, (index * 4800 + 10_480) // 512
    segment = Segment(index, None, MEL, CLIP, (), None, None, first, (True,) * (end - first), None, None)
    return TimedSegment(segment, None, 0.0, time.monotonic(), Dropped())


class Run:
    """A worker that has worked: on as many streams as asked for, with one segment in each batch."""

    def __init__(self, bundle_folder, fails, *, streams=1, **options):
        bundle = Bundle.load(bundle_folder)
        self.engine = Failing(bundle, fails, **options)
        self.published = [[] for _ in range(streams)]
        condition = threading.Condition()
        self.served = [self._served(condition, published) for published in self.published]
        for each in self.served:
            for index in range(SEGMENTS):
                each.segments.put(timed(index))
            each.segments.close()
        self.error = None
        try:
            Worker(bundle, self.engine, self.served, condition, full_batches=False).run()
        except EngineRunError as error:
            self.error = error

    def _served(self, condition, published):
        def put(waiting):
            published.append(waiting.event)
            return True

        queue = SegmentQueue(100, None, condition=condition)
        return WorkerStream(queue, Channel("desk", "0" * 32, 0.0, put), Meters())

    @property
    def kinds(self):
        return [["emotion" if isinstance(e, EmotionEvent) else "utterance" for e in each] for each in self.published]

    @property
    def retries(self):
        return [each.meters.engine_retries for each in self.served]


def test_an_engine_that_fails_once_is_asked_again(bundle_folder, caplog):
    run = Run(bundle_folder, lambda n: n == 2)
    assert run.error is None
    assert run.kinds == [["emotion"] * SEGMENTS + ["utterance"]]
    assert run.retries == [1]
    (record,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert record.getMessage() == "the engine failing failed, and is asked once more: failed in run 2"


@pytest.mark.fault(
    "Engine",
    "it throws an exception once, many times",
    "the batch is run again; no event differs",
)
def test_single_failures_are_survived_any_number_of_times(bundle_folder):
    run = Run(bundle_folder, lambda n: n % 2 == 0)
    assert run.error is None
    assert run.kinds == [["emotion"] * SEGMENTS + ["utterance"]]
    assert run.retries == [SEGMENTS]


def test_a_failure_changes_no_event(bundle_folder):
    assert Run(bundle_folder, lambda n: n % 2 == 0).published == Run(bundle_folder, lambda n: False).published


def test_two_failures_in_a_row_end_it_with_the_utterances_so_far(bundle_folder):
    run = Run(bundle_folder, lambda n: n in (5, 6), streams=2)
    assert str(run.error).startswith("the engine failing failed twice in a row on the same segments: failed in run 6;")
    assert isinstance(run.error.__cause__, ValueError)
    assert run.engine.runs == 7  # nothing is asked of it any more
    assert run.kinds == [["emotion"] * 3 + ["utterance"], ["emotion"] * 2 + ["utterance"]]
    assert [events[-1].pools.fused for events in run.published] == [3, 2]
    assert all(each.done.is_set() for each in run.served)
    assert run.retries == [0, 1]


def test_an_engine_that_always_fails_publishes_nothing(bundle_folder):
    run = Run(bundle_folder, lambda n: True)
    assert run.error is not None
    assert run.kinds == [[]]


def test_a_broken_engine_may_fail_to_be_freed(bundle_folder):
    assert "failed in run 1" in str(Run(bundle_folder, lambda n: True, fails_to_close=True).error)


@pytest.mark.fault(
    "Engine",
    "it throws twice in a row",
    "exit code 3 and one line; what was recognised is published and in `--output`",
)
def test_the_command_ends_with_a_code_of_its_own(bundle_folder, tmp_path):
    hook = """
from emostream.engines.backends.openvino.engine import OpenVinoEngine as E
import itertools
embed, count = E.embed, itertools.count()
def failing(self, batch):
    if next(count) > 2:  # it has warmed up, and had two batches
        raise RuntimeError("the device was lost")
    return embed(self, batch)
E.embed = failing
"""
    output = tmp_path / "events.jsonl"
    hooked = [sys.executable, Path(__file__).with_name("hooked.py"), hook]
    options = ["--bundle", bundle_folder, "--publish", "tcp://127.0.0.1:*", "--output", output]
    command = [*hooked, "--input", demo_clip(tmp_path, 4.0), "--fast", *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    *_, warning, error = done.stderr.splitlines()
    assert warning == "emostream: warning: the engine openvino failed, and is asked once more: the device was lost"
    assert error.startswith("emostream: error: the engine openvino failed twice in a row on the same segments: the dev")
    events = [decode(line) for line in output.read_bytes().splitlines()]
    assert [event.seq for event in events] == list(range(len(events)))
    assert len(events) > 8
    assert isinstance(events[-1], UtteranceEvent)
    assert json.loads(output.read_text().splitlines()[-1])["segments"] > 0
