"""Bounded queues between the threads: each has a maximum, a named policy, and counts what it dropped."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

__all__ = ["BoundedQueue", "DropPolicy", "Watermark"]

Item = TypeVar("Item")
DropPolicy = Literal["block", "drop_oldest"]


@dataclass(frozen=True)
class Watermark:
    """Says, among a source's items, that none will come whose timestamp is before `t` seconds."""

    t: float


class BoundedQueue(Generic[Item]):
    """A bounded queue from one producer to one consumer.

    When it is full, `block` lets the producer wait (recordings lose nothing), and `drop_oldest` makes room (live
    sources never lag). Several queues may share one condition, so that their consumer can wait for any of them.
    """

    def __init__(
        self,
        name: str,
        capacity: int,
        policy: DropPolicy,
        *,
        condition: threading.Condition | None = None,
        on_drop: Callable[[Item], None] | None = None,
        mark_loss: Callable[[Item], Item] | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            name: as it appears in status.
            capacity: most items it holds.
            policy: what happens when it is full.
            condition: notified at every change.
            on_drop: called with each dropped item.
            mark_loss: applied to the item that follows a dropped one.
        """
        self.name, self._capacity, self._policy = name, capacity, policy
        self.condition = condition or threading.Condition()
        self._on_drop, self._mark_loss = on_drop, mark_loss
        self._items: deque[Item] = deque()
        self._closed = False
        self.end: float | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty. Read it under `condition`."""
        return self._closed and not self._items

    def first(self, key: Callable[[Item], float]) -> float | None:
        """`key` of the oldest item; None when there is none just now."""
        with self.condition:
            return key(self._items[0]) if self._items else None

    def put(self, item: Item) -> bool:
        """Append an item; False once the queue is closed."""
        with self.condition:
            if self._policy == "block":
                self.condition.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                return False
            if len(self._items) >= self._capacity:
                dropped = self._items.popleft()
                if self._on_drop:
                    self._on_drop(dropped)
                if self._mark_loss:
                    if self._items:
                        self._items[0] = self._mark_loss(self._items[0])
                    else:
                        item = self._mark_loss(item)
            self._items.append(item)
            self.condition.notify_all()
            return True

    def pop(self) -> Item | None:
        """The oldest item, or None when there is none just now."""
        with self.condition:
            if not self._items:
                return None
            item = self._items.popleft()
            self.condition.notify_all()
            return item

    def get(self) -> Item | None:
        """Wait for the oldest item; None once the queue has ended."""
        with self.condition:
            self.condition.wait_for(lambda: self._items or self._closed)
            return self.pop()

    def close(self, *, end: float | None = None, discard: bool = False) -> None:
        """Let no more items in.

        Args:
            end: time, in the source's own timestamps, at which what was put in ends.
            discard: also throw away the items that wait.
        """
        with self.condition:
            self._closed = True
            self.end = end if self.end is None else self.end
            if discard:
                self._items.clear()
            self.condition.notify_all()
