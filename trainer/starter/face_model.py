"""The starter's video network: a twin for pictures learns from stills, and is inflated and tuned on moving clips."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from emostream.engines.files import replacing
from emostream.trainer.export import as_exported
from emostream.trainer.networks.c3d import C2D, C3D
from emostream.trainer.networks.graphs import Graph, StillGraph, VideoGraph
from emostream.trainer.networks.inflate import he_weights
from emostream.trainer.networks.presets import VideoShape
from emostream.trainer.networks.weights import take_video_weights
from emostream.trainer.starter.cached import cached
from emostream.trainer.starter.faces import Faces, Split
from emostream.trainer.starter.recipe import LABELS, StarterRecipe
from emostream.trainer.stills.examples import StillClips, StillCrops
from emostream.trainer.training.compute import Compute, writing
from emostream.trainer.training.data import Examples
from emostream.trainer.training.embedding import embed
from emostream.trainer.training.loop import load_trained, train
from emostream.trainer.training.recipe import Schedule
from emostream.trainer.training.statistics import fit_video_statistics

__all__ = ["FACE_SETS", "FaceEmbeddings", "FaceTraining"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_MOVING = 2  # further clips of each tested face, to measure three segments

FACE_SETS = ("known", "public", *(f"private-{number}" for number in range(1 + _MOVING)), "decided-2d")
"""What is embedded, and can be side by side."""


@dataclass(frozen=True, eq=False)
class FaceEmbeddings:
    """What the finished video network makes of faces.

    Attributes:
        known: float32 [N, E], of moving clips of training pictures.
        known_labels: int64 [N].
        public: float32 [P, E], of still clips of the public test split, every picture of it.
        private: float32 [3, Q, E], of the private test split: a still clip, and two moving ones.
        decided_2d: int64 [Q], what the twin for pictures decides on the private test split.
    """

    known: Floats
    known_labels: Ints
    public: Floats
    private: Floats
    decided_2d: Ints


@dataclass(frozen=True, eq=False)
class FaceTraining:
    """The training of the video network.

    Attributes:
        faces: FER2013.
        recipe: how.
        shape: of the network.
        place: folder of what is unfinished.
        seed: equal seeds give equal networks, on equal machines.
        compute: where.
    """

    faces: Faces
    recipe: StarterRecipe
    shape: VideoShape
    place: Path
    seed: int
    compute: Compute

    def stills(self) -> StillGraph:
        """The twin for pictures, trained on every picture of the training split."""
        shape, own = self.shape, self.faces.train
        network = C2D(len(LABELS), shape)
        he_weights(network, torch.Generator().manual_seed(self.seed))
        graph = StillGraph(network, shape, torch.zeros(shape.planes, 1, 1, 1), 1.0)
        seen = StillCrops(own.pictures, own.labels)
        varied = StillCrops(own.pictures, own.labels, varied=True)
        self._train(graph, varied, self.recipe.stills, "stills", lambda: fit_video_statistics(graph, seen))
        return graph

    def clips(self) -> VideoGraph:
        """The C3D, inflated from the twin and tuned on moving clips of some of the pictures."""
        shape, twin = self.shape, self.stills()
        network = C3D(len(LABELS), shape)
        graph = VideoGraph(network, shape, torch.zeros(shape.planes, 1, 1, 1), 1.0)

        def inflate() -> None:
            file = self.place / "stills.pt"
            with writing(self.place), replacing(file) as part, part.open("wb") as stream:
                torch.save(twin.state_dict(), stream)
            take_video_weights(network, file)
            network.fc8.load_state_dict(twin.network.fc8.state_dict())
            graph.mean.copy_(twin.mean)
            graph.std = twin.std

        chosen = self._even(self.recipe.clip_pictures, "clips")
        clips = StillClips(chosen.pictures, chosen.labels, varied=True)
        self._train(graph, clips, self.recipe.clips, "clips", inflate)
        return graph

    def embeddings(self) -> tuple[Graph, FaceEmbeddings]:
        """The finished network as it is exported, and its embeddings of the faces that heads and fusion need."""
        found = FaceEmbeddings(
            known=self.embed("known"),
            known_labels=self._known.labels,
            public=self.embed("public"),
            private=np.stack([self.embed(f"private-{number}") for number in range(1 + _MOVING)]),
            decided_2d=self.embed("decided-2d"),
        )
        return as_exported(self.clips()), found

    def embed(self, name: str) -> npt.NDArray[Any]:
        """One of `FACE_SETS`: the finished network's embeddings of a set of faces; made once, then kept."""
        own = self.recipe.known_faces if name == "known" else None
        identity = f"{self._identity('clips', self.recipe.clips)} {own}"
        return cached(self.place / f"{name}.npz", identity, lambda: {"array": self._made(name)})["array"]

    def _made(self, name: str) -> npt.NDArray[Any]:
        public, private = self.faces.public, self.faces.private
        if name == "decided-2d":
            return self._decided(as_exported(self.stills()), StillCrops(private.pictures, private.labels))
        if name == "known":
            clips = StillClips(self._known.pictures, self._known.labels, varied=True)
        elif name == "public":
            clips = StillClips(public.pictures, public.labels)
        else:
            number = int(name.removeprefix("private-"))
            clips = StillClips(private.pictures, private.labels, varied=number > 0)
            clips.seed = self.seed + number
        return self._features(as_exported(self.clips()), clips)

    def _features(self, graph: Graph, clips: Examples) -> Floats:
        return embed(graph, clips, np.zeros(len(clips), bool), self.compute).features

    def _decided(self, graph: Graph, crops: Examples) -> Ints:
        return np.asarray(embed(graph, crops, np.zeros(len(crops), bool), self.compute).logits.argmax(axis=1), np.int64)

    @cached_property
    def _known(self) -> Split:
        return self._even(self.recipe.known_faces, "known")

    def _even(self, count: int, purpose: str) -> Split:
        """Some training pictures at random, of each class equally many where there are as many."""
        rng = np.random.default_rng((self.seed, *purpose.encode()))
        labels, share = self.faces.train.labels, -(-count // len(LABELS))
        chosen = [rng.permutation(np.flatnonzero(labels == index))[:share] for index in range(len(LABELS))]
        return self.faces.train.only(np.sort(np.concatenate(chosen)))

    def _train(
        self, graph: VideoGraph, examples: Examples, schedule: Schedule, stage: str, begin: Callable[[], None]
    ) -> None:
        place, identity = self.place / stage, self._identity(stage, schedule)
        if load_trained(graph, place, identity):
            return
        begin()
        train(graph, examples, schedule, place, seed=self.seed, compute=self.compute, identity=identity)

    def _identity(self, stage: str, schedule: Schedule) -> str:
        """Names everything that a stage depends on."""
        earlier = (self.recipe.stills, self.recipe.clip_pictures) if stage == "clips" else ()
        parts = (stage, schedule, earlier, self.shape, self.faces.sha256, self.seed, self.compute.precision)
        return hashlib.sha256(repr(parts).encode()).hexdigest()
