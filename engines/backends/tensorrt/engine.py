"""TensorRT on a GPU, in FP16: one upload, three networks, one download."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.engines.backends.tensorrt.builder import Profile
from emostream.engines.backends.tensorrt.cuda import Cuda, find_gpu
from emostream.engines.backends.tensorrt.flavour import Flavour, find_flavour
from emostream.engines.backends.tensorrt.loaded_plan import LoadedPlan
from emostream.engines.backends.tensorrt.plan_cache import PlanCache
from emostream.engines.backends.tensorrt.plans import Target, plans_of
from emostream.engines.bundle import Bundle
from emostream.engines.engine import Batch, Embeddings, Engine
from emostream.engines.errors import EngineError
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole, TensorSpec

__all__ = ["TensorRTEngine"]

_log = logging.getLogger("emostream")

_ALIGNMENT = 256  # bytes, of what TensorRT is given
_WARM = 4  # segments; a few live streams seldom give more at once

Counts = tuple[int, int, int]
"""Segments with both voice and face, with a voice, with a face. Those with both come first among either."""


class TensorRTEngine(Engine):
    """The networks of a bundle as TensorRT plans.

    Audio and video network run on two streams. Their embeddings stay where they are on the device: the rows of
    segments with both come first, so that the fusion network's inputs are the beginnings of their outputs. For each
    combination of numbers of segments the whole is a CUDA graph after its first run.
    """

    name = "tensorrt"
    precision = "fp16"

    def __init__(self, bundle: Bundle, flavour: Flavour | None = None, largest: int = Profile.largest) -> None:
        """Remember the bundle.

        Args:
            bundle: with or without plans in the cache.
            flavour: of TensorRT; the one that is installed if not given.
            largest: segments that the networks run on at once; more are taken in parts.
        """
        super().__init__(bundle)
        self._flavour = flavour
        self._profile = Profile(largest)
        self.batch_size = largest
        self.device = "GPU"

    def load(self) -> None:
        """See `Engine`. Plans that are missing are built first, which takes up to minutes, once."""
        flavour = self._flavour or find_flavour()
        gpu = find_gpu()
        self.device = gpu.name
        target = Target(flavour, gpu, self._profile)
        with ExitStack() as stack:
            cuda = stack.enter_context(Cuda())
            networks: dict[NetworkRole, LoadedPlan] = {}
            for plan in plans_of(self.bundle, target, PlanCache()):
                networks[plan.role] = LoadedPlan(cuda, flavour, plan.role, plan.data)
            self._program = _Program(cuda, networks, self.bundle, self._profile.largest)
            for count in range(1, min(_WARM, self._profile.largest) + 1):
                for make_up in ((count, count, count), (0, count, 0), (0, 0, count)):
                    self._program.warm_up(make_up)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """See `Engine`."""
        self._stack.close()
        del self._program  # its arrays show memory that is no more

    def embed(self, batch: Batch) -> Embeddings:
        """See `Engine`."""
        sizes: list[int] = [self.bundle.embedding_size(role) for role in NETWORK_ROLES]
        counts = len(batch.mel), len(batch.clip), len(batch.pairs)
        result = Embeddings(*(np.zeros(shape, np.float32) for shape in zip(counts, sizes, strict=True)))
        for voices, faces, pairs in _parts(batch, self._profile.largest):
            audio, video, fused = self._program.run((len(pairs), len(voices), len(faces)), batch, voices, faces)
            result.audio[voices], result.video[faces], result.fused[pairs] = audio, video, fused
        return result


Parts = Iterator[tuple[list[int], list[int], list[int]]]


def _parts(batch: Batch, largest: int) -> Parts:
    """Rows of `mel`, of `clip` and of `pairs` that go together, at most `largest` of each; pairs come first."""
    paired_voices, paired_faces = {v for v, _ in batch.pairs}, {f for _, f in batch.pairs}
    voices = [v for v, _ in batch.pairs] + [v for v in range(len(batch.mel)) if v not in paired_voices]
    faces = [f for _, f in batch.pairs] + [f for f in range(len(batch.clip)) if f not in paired_faces]
    for start in range(0, max(len(voices), len(faces)), largest):
        part = slice(start, start + largest)
        yield voices[part], faces[part], list(range(len(batch.pairs)))[part]


class _Program:
    """The chain from a batch's inputs to its embeddings, in memory that is allotted once."""

    def __init__(self, cuda: Cuda, networks: dict[NetworkRole, LoadedPlan], bundle: Bundle, largest: int) -> None:
        self._cuda, self._networks, self._specs = cuda, networks, bundle.manifest.networks
        self._in_sizes = tuple(_size(self._specs[role].inputs[0]) for role in ("audio", "video"))
        self._out_sizes = tuple(_size(self._specs[role].output) for role in NETWORK_ROLES)
        received = _regions((largest,) * 2, self._in_sizes)[-1]
        sent = _regions((largest,) * 3, self._out_sizes)[-1]
        self._in_host, self._out_host = cuda.pinned(received), cuda.pinned(sent)
        self._in_device, self._out_device = cuda.memory(received), cuda.memory(sent)
        self._main, self._side = cuda.stream(), cuda.stream()
        self._events = cuda.event(), cuda.event()
        self._graphs: dict[Counts, int | None] = {}

    def warm_up(self, counts: Counts) -> None:
        """Run on zeros twice, so that the first segments find everything compiled and captured."""
        self._in_host[:] = 0
        for _ in range(2):
            self._execute(counts)

    def run(
        self, counts: Counts, batch: Batch, voices: list[int], faces: list[int]
    ) -> tuple[npt.NDArray[np.float32], ...]:
        """Embeddings of some rows of a batch: of `voices`, of `faces`, and of the pairs that either begins with."""
        _, heard, seen = counts
        mel, clip, _ = _regions((heard, seen), self._in_sizes)
        self._fill(mel, batch.mel, voices)
        self._fill(clip, batch.clip, faces)
        self._execute(counts)
        rows = heard, seen, counts[0]
        starts = _regions(rows, self._out_sizes)
        return tuple(
            self._out_host[start : start + count * size].view(np.float32).reshape(count, size // 4).copy()
            for start, count, size in zip(starts[:-1], rows, self._out_sizes, strict=True)
        )

    def _fill(self, start: int, source: npt.NDArray[Any], rows: list[int]) -> None:
        """Copy some rows, once, to where the upload begins with them."""
        shape = (len(rows), *source.shape[1:])
        target = self._in_host[start : start + math.prod(shape) * source.itemsize].view(source.dtype).reshape(shape)
        np.take(source, np.array(rows, np.intp), axis=0, out=target, mode="clip")  # "raise" would copy twice

    def _execute(self, counts: Counts) -> None:
        self._cuda.use()
        graph = self._graphs.get(counts)
        if graph is not None:
            self._cuda.launch(graph, self._main)
        else:
            self._enqueue(counts)
        self._cuda.wait(self._main)
        if counts not in self._graphs:  # a network has to run once before it can be captured
            self._graphs[counts] = self._captured(lambda: self._enqueue(counts))

    def _captured(self, work: Callable[[], None]) -> int | None:
        try:
            return self._cuda.graph(self._main, work)
        except EngineError as error:
            _log.debug("the networks run without a CUDA graph: %s", error)
            return None

    def _enqueue(self, counts: Counts) -> None:
        """Upload, audio beside video, fusion, download."""
        both, heard, seen = counts
        mel, clip, received = _regions((heard, seen), self._in_sizes)
        audio, video, fused, sent = (
            self._out_device + start for start in _regions((heard, seen, both), self._out_sizes)
        )
        before, after = self._events
        self._cuda.upload(self._in_device, self._in_host[:received], self._main)
        if heard:
            self._cuda.follow(self._side, self._main, before)
            self._network("audio", heard, (self._in_device + mel,), audio, self._side)
        if seen:
            self._network("video", seen, (self._in_device + clip,), video, self._main)
        if heard:
            self._cuda.follow(self._main, self._side, after)
        if both:
            self._network("fusion", both, (audio, video), fused, self._main)
        self._cuda.download(self._out_host[: sent - self._out_device], self._out_device, self._main)

    def _network(self, role: NetworkRole, count: int, inputs: tuple[int, ...], output: int, stream: int) -> None:
        spec = self._specs[role]
        addresses = {each.name: address for each, address in zip(spec.inputs, inputs, strict=True)}
        shapes = {each.name: each.shape for each in spec.inputs}
        self._networks[role].enqueue(count, shapes, addresses | {spec.output.name: output}, stream)


def _size(spec: TensorSpec) -> int:
    """Bytes of one segment's tensor."""
    return math.prod(spec.shape) * int(np.dtype(spec.dtype).itemsize)


def _regions(counts: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Where the tensors of so many segments each begin when they lie one after the other, and where the last ends."""
    starts = [0]
    for count, size in zip(counts, sizes, strict=True):
        starts.append(starts[-1] + -(-count * size // _ALIGNMENT) * _ALIGNMENT)
    return tuple(starts)
