"""What a subscriber makes of what it receives, whatever is lost, without sockets: each event once and in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from emostream.engines.errors import EventError
from emostream.streamer.client.replay import Answer
from emostream.streamer.client.sequencer import Sequencer
from emostream.streamer.client.types import Cursor, Gap, SessionStarted
from emostream.streamer.protocol.events import decode, encode
from emostream.streamer.publishing.replay import EventStore
from tests.streamer.replaying import emotion

CAPACITY = 3


class World:
    """Publishers whose messages are lost or late, a server that may not answer, and a subscriber."""

    def __init__(self, cursors=()) -> None:
        self.store = EventStore(CAPACITY)
        self.following = Sequencer(cursors, replays=True, notices=True)
        self.published: dict[tuple[str, str], int] = {}
        self.session = {"desk": 0, "room": 0}
        self.waiting = []
        self.received = []

    def publish(self, stream, arrives):
        session = f"session-{self.session[stream]}"
        seq = self.published.get((stream, session), 0)
        self.published[stream, session] = seq + 1
        event = emotion(seq, session, stream)
        self.store.append(stream, session, seq, encode(event))
        if arrives:
            self.waiting.append(event)

    def restart(self, stream):
        if (stream, f"session-{self.session[stream]}") in self.published:
            self.session[stream] += 1

    def read(self, _stream):
        """Take one message, where the subscriber listens."""
        if self.following.listening and self.waiting:
            event = self.waiting.pop(0)
            self.following.take(event, encode(event))
        self._collect()

    def ask(self, answers):
        request = self.following.wanted()
        if request is not None:
            answer = None
            if answers:
                try:
                    header, events = self.store.read(request)
                    answer = Answer(header, [(decode(message), message) for message in events])
                except EventError:
                    pass
            self.following.answer(request, answer)
        self._collect()

    def finish(self):
        """Let everything arrive, and what is still missing be asked for."""
        for _ in range(1000):
            for place in self.following._positions.values():
                if place.expected is not None:
                    place.look_at = float("-inf")
            before = len(self.received), len(self.waiting), self.following.listening
            self.read(None)
            for _ in range(len(self.following._positions)):
                self.ask(True)
            if before == (len(self.received), 0, True):
                return
        raise AssertionError("it never comes to rest")

    def _collect(self):
        self.received += [item for item, _ in self.following.pending]
        self.following.pending.clear()


streams = st.sampled_from(["desk", "room"])
steps = st.lists(
    st.tuples(st.just("publish"), streams, st.booleans())
    | st.tuples(st.just("read"), streams)
    | st.tuples(st.just("restart"), streams)
    | st.tuples(st.just("ask"), st.booleans()),
    max_size=80,
)


def play(world, todo):
    for name, *arguments in todo:
        getattr(world, name)(*arguments)
    world.finish()


@settings(deadline=None, max_examples=300)
@given(todo=steps)
def test_every_number_is_an_event_once_or_in_a_gap_once(todo):
    world = World()
    play(world, todo)
    for stream in ("desk", "room"):
        at = None  # session and number that must come next
        sessions = []
        for item in (item for item in world.received if item.stream == stream):
            if isinstance(item, SessionStarted):
                assert item.session not in sessions
                at = (item.session, 0)
            elif isinstance(item, Gap):
                assert (item.session, item.first_missed) == at
                at = (item.session, item.first_missed + item.count)
            else:
                assert at in (None, (item.session, item.seq))
                at = (item.session, item.seq + 1)
            sessions.append(item.session)
        if at is not None:
            last = f"session-{world.session[stream]}"
            if (stream, last) in world.published:
                assert at == (last, world.published[stream, last])


@settings(deadline=None, max_examples=200)
@given(before=st.integers(1, CAPACITY), todo=st.lists(st.tuples(st.just("publish"), st.just("desk"), st.booleans())))
def test_from_a_cursor_nothing_is_missing_that_is_kept(before, todo):
    world = World([Cursor("desk", "session-0", before - 1)])
    for _ in range(before):
        world.publish("desk", False)
    for step in todo[: CAPACITY - 1]:
        world.publish(*step[1:])
    world.finish()
    assert [event.seq for event in world.received] == list(range(before, world.published["desk", "session-0"]))
