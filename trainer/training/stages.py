"""The two stages of the paper: both unimodal networks, then the fusion network on their frozen embeddings."""

from __future__ import annotations

import csv
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from emostream.engines.archive import sha256_of
from emostream.engines.errors import TrainingError
from emostream.engines.tensors import NetworkRole
from emostream.trainer.fusion.pretrain import LayerEpoch, pretrain
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.fusion import DBN, FC, FusionNetwork
from emostream.trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from emostream.trainer.networks.inflate import he_weights
from emostream.trainer.networks.presets import Preset
from emostream.trainer.networks.weight_report import WeightReport
from emostream.trainer.networks.weights import take_audio_weights, take_video_weights
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import SEGMENT_WINDOW, Window
from emostream.trainer.training.compute import Compute, writing
from emostream.trainer.training.data import (
    ClipSegments,
    Examples,
    MelSegments,
    PairSegments,
    Rows,
    Which,
    face_rows,
    voice_rows,
)
from emostream.trainer.training.embedding import Embedded, embed
from emostream.trainer.training.loop import load_trained, train
from emostream.trainer.training.recipe import Recipe
from emostream.trainer.training.statistics import fit_audio_statistics, fit_video_statistics

__all__ = ["FusionVariant", "Pairs", "Stages", "TrainingPlan"]

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingPlan:
    """How a model is trained.

    Attributes:
        preset: sizes of the networks.
        recipe: schedules.
        audio_weights: initial weights of the AlexNet; random without.
        video_weights: initial weights of the C3D; random without.
        video_bgr: whether these see BGR less the mean of Sports-1M; None to tell by their names.
        which: the segments whose sound serves.
        seed: equal seeds give equal models, on equal machines.
        compute: where.
    """

    preset: Preset
    recipe: Recipe
    audio_weights: Path | None
    video_weights: Path | None
    video_bgr: bool | None
    which: Which
    seed: int
    compute: Compute

    def identity(self, role: NetworkRole = "fusion") -> str:
        """Names everything here that one network depends on; the fusion network depends on all."""
        files = {"audio": self.audio_weights, "video": self.video_weights}
        hashes = {name: file and sha256_of(file) for name, file in files.items() if role in (name, "fusion")}
        sizes, schedules = (
            (self.preset, self.recipe)
            if role == "fusion"
            else (getattr(each, role) for each in (self.preset, self.recipe))
        )
        return repr((sizes, schedules, hashes, self.video_bgr, self.which, self.seed, self.compute.precision))

    def initial_weights(self) -> tuple[WeightReport, ...]:
        """What the networks take from the given files, layer by layer.

        Raises:
            ConfigError: a file can't be read, or is of another network.
        """
        reports = []
        if self.audio_weights:
            reports.append(take_audio_weights(AlexNet(2, self.preset.audio), self.audio_weights))
        if self.video_weights:
            reports.append(take_video_weights(C3D(2, self.preset.video), self.video_weights, self.video_bgr))
        return tuple(reports)


@dataclass(frozen=True)
class FusionVariant:
    """One of the networks that fuse both embeddings.

    Attributes:
        kind: deep belief or fully connected.
        depth: hidden layers, 1 to 3; 2 is the paper's DBN.
        scaling: of its inputs; None for the preset's.
        pretrained: whether the layers of a DBN are trained as Boltzmann machines first.
    """

    kind: Literal["dbn", "fc"] = "dbn"
    depth: int = 2
    scaling: Literal["minmax", "standard"] | None = None
    pretrained: bool = True


class Stages:
    """The training of one model: on some recordings of a corpus, into one folder.

    What is finished is loaded, what was interrupted goes on. Embeddings are of every recording of the corpus; nothing
    of those that are not trained on enters a weight or a statistic.
    """

    def __init__(
        self,
        corpus: Corpus,
        trained: Bools,
        plan: TrainingPlan,
        place: Path,
        finish: Callable[[Graph], Graph] | None = None,
    ) -> None:
        """Train on the recordings `trained`, bool [R], into the folder `place`.

        `finish` brings each trained network to the form whose embeddings are wanted, such as the exported one.
        """
        self.corpus, self.trained, self.plan, self.place = corpus, trained, plan, place
        self._finish = finish or (lambda graph: graph)
        self._data = corpus.identity(trained)

    def inside(self, trained: Bools, name: str) -> Stages:
        """Trainings on some of this one's recordings, in its folder `name`, for fusion of this one's embeddings."""
        stages = Stages(self.corpus, trained & self.trained, self.plan, self.place / name, self._finish)
        stages._data += self._data
        return stages

    def audio(
        self, window: Window = SEGMENT_WINDOW, *, original: bool = False, varied: bool = False
    ) -> tuple[Graph, Embedded]:
        """The AlexNet, and its embeddings of all windows; the arguments are those of `train_audio`."""
        graph, examples = self.train_audio(window, original=original, varied=varied)
        return self._embedded(graph, examples)

    def train_audio(
        self, window: Window = SEGMENT_WINDOW, *, original: bool = False, varied: bool = False
    ) -> tuple[Graph, Examples]:
        """The AlexNet as it was trained, and all windows that it can embed.

        Args:
            window: what it hears at once.
            original: leave the initial weights as they are.
            varied: train on sounds that are varied as such (`varied_samples`), beside what the schedule varies.
        """
        preset, recordings, labels = self.plan.preset, self.corpus.segments, self.corpus.labels
        stage = "audio" if window == SEGMENT_WINDOW else f"audio-{window.frames}"
        network = AlexNet(len(self.corpus.classes), preset.audio)
        he_weights(network, self._generator(stage))
        if self.plan.audio_weights:
            take_audio_weights(network, self.plan.audio_weights)
        blank = torch.zeros(3, preset.audio.input_size, preset.audio.input_size)
        graph = AudioGraph(network, preset.audio, blank, blank + 1, window.frames)
        if window == SEGMENT_WINDOW:
            rows = voice_rows(recordings, self.plan.which)
        else:
            rows = Rows.of([np.ones(each.mel_count(window), bool) for each in recordings])
        still = MelSegments(recordings, self._trained_of(rows), labels, window)
        own = MelSegments(recordings, still.rows, labels, window, varied=varied)
        more = ("varied",) if varied else ()
        self._train(graph, own, stage, original, lambda: fit_audio_statistics(graph, still), more)
        return graph, MelSegments(recordings, rows, labels, window)

    def video(self, *, original: bool = False) -> tuple[Graph, Embedded]:
        """The C3D, and its embeddings of all segments with a face."""
        preset, recordings, labels = self.plan.preset, self.corpus.segments, self.corpus.labels
        network = C3D(len(self.corpus.classes), preset.video)
        he_weights(network, self._generator("video"))
        graph = VideoGraph(network, preset.video, torch.zeros(preset.video.planes, 1, 1, 1), 1.0)
        report = None
        if self.plan.video_weights:
            report = take_video_weights(network, self.plan.video_weights, self.plan.video_bgr)
        rows = face_rows(recordings)
        own = ClipSegments(recordings, self._trained_of(rows), labels)

        def fit() -> None:
            if report and report.pixel_mean is not None:
                graph.mean.copy_(report.pixel_mean)
                graph.std = report.pixel_std or 1.0
            else:
                fit_video_statistics(graph, own)

        self._train(graph, own, "video", original, fit)
        return self._embedded(graph, ClipSegments(recordings, rows, labels))

    def fusion(self, variant: FusionVariant, name: str, pairs: Pairs, rate: float) -> tuple[Graph, Embedded]:
        """A fusion network on frozen embeddings, and its joint features of all pairs.

        Args:
            variant: which network.
            name: of its folder.
            pairs: the embeddings of both modalities.
            rate: of the Bernoulli machines.
        """
        shape = self.plan.preset.fusion.at_depth(variant.depth)
        shape = replace(shape, scaling=variant.scaling or shape.scaling)
        audio, video = pairs.audio.shape[1], pairs.video.shape[1]
        kind: type[FusionNetwork] = DBN if variant.kind == "dbn" else FC
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(self._seed(f"{name} weights"))
            network = kind(len(self.corpus.classes), audio, video, shape)  # its own initial weights suit its units
        graph = FusionGraph(network, audio, video)
        given = pairs.only(self.trained)
        every, own = (PairSegments(each.audio, each.video, each.rows, self.corpus.labels) for each in (pairs, given))

        def fit() -> None:
            network.fit_scaling(own.audio, own.video)
            if isinstance(network, DBN) and variant.pretrained:
                recipe = replace(self.plan.recipe.rbm, rate=rate)
                network.to(self.plan.compute.device)
                history = pretrain(network, own.audio, own.video, recipe, self._seed(f"{name} machines"))
                _write_history(self.place / name / "machines.csv", history)

        self._train(graph, own, name, original=False, fit=fit, more=(repr(variant), rate))
        return self._embedded(graph, every)

    def _train(
        self,
        graph: Graph,
        own: Examples,
        stage: str,
        original: bool,
        fit: Callable[[], None],
        more: tuple[object, ...] = (),
    ) -> None:
        """Fit what comes before the first step, then train, unless that is done already."""
        if len(own) < 2:
            raise TrainingError(
                f"{self.place.name}: {len(own)} segments to train the {graph.role} network on, expected two or more; "
                "check `prepare`'s report"
            )
        if original:
            fit()
            return
        place = self.place / stage
        identity = hashlib.sha256(
            json.dumps([self._data, self.plan.identity(graph.role), stage, more]).encode()
        ).hexdigest()
        if load_trained(graph, place, identity):
            return
        fit()
        schedule = getattr(self.plan.recipe, graph.role)
        train(graph, own, schedule, place, seed=self._seed(stage), compute=self.plan.compute, identity=identity)

    def _embedded(self, graph: Graph, examples: Examples) -> tuple[Graph, Embedded]:
        finished = self._finish(graph)
        return finished, embed(finished, examples, examples.rows.of_recordings(self.trained), self.plan.compute)

    def _trained_of(self, rows: Rows) -> Rows:
        return rows.only(rows.of_recordings(self.trained))

    def _seed(self, stage: str) -> int:
        return zlib.crc32(f"{self.plan.seed} {stage}".encode())

    def _generator(self, stage: str) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed(f"{stage} weights"))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Embeddings of the n segments that have both voice and face: float32 [n, A] and [n, V]."""

    rows: Rows
    audio: torch.Tensor
    video: torch.Tensor

    @classmethod
    def of(cls, audio: Embedded, video: Embedded) -> Pairs:
        """Those that both networks have embedded."""
        heard, seen = (each.rows.recording * _MOST_SEGMENTS + each.rows.segment for each in (audio, video))
        _, first, second = np.intersect1d(heard, seen, assume_unique=True, return_indices=True)
        rows = Rows(audio.rows.recording[first], audio.rows.segment[first])
        return cls(rows, torch.from_numpy(audio.features[first]), torch.from_numpy(video.features[second]))

    def only(self, recordings: Bools) -> Pairs:
        """Those of some recordings, bool [R]."""
        chosen = self.rows.of_recordings(recordings)
        return Pairs(self.rows.only(chosen), self.audio[chosen], self.video[chosen])


_MOST_SEGMENTS = 2**32  # of one recording: 40 years


def _write_history(file: Path, history: list[LayerEpoch]) -> None:
    """The reconstruction error and the free energy of each epoch of pre-training."""
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["layer", "epoch", "rate", *asdict(history[0].train)])
            writer.writerows([each.layer, each.epoch, each.rate, *asdict(each.train).values()] for each in history)
