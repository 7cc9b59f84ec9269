"""Which face detector is used: the one decision for sessions, clips, the trainer, checks of devices and benchmarks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from emostream.engines.archive import sha256_of
from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError
from emostream.engines.external_models import YUNET
from emostream.engines.finder import FINDER
from emostream.engines.frontend.detectors.base import FaceDetector
from emostream.engines.frontend.detectors.finder import FINDER_FILES, FaceFinder
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.detectors.yunet import YuNet
from emostream.engines.settings import FACE_DETECTORS

__all__ = ["VIOLA_JONES", "DetectorChoice", "choose_detector", "warn_of_other_detector"]

_log = logging.getLogger("emostream")


@dataclass(frozen=True)
class DetectorChoice:
    """A face detector that was chosen; nothing is loaded before `make`.

    Attributes:
        name: of the detector.
        model: its file, where it needs one.
    """

    name: str
    model: Path | None = None

    def make(self) -> FaceDetector:
        """Load it, for one thread.

        Raises:
            ConfigError: the model can't be loaded.
        """
        if self.model is None:
            return ViolaJones()
        return FaceFinder.load(self.model) if self.name == "finder" else YuNet(self.model)

    @property
    def identity(self) -> str:
        """What its results depend on: its name, and the SHA-256 of its model. Caches of segments know it by this.

        Raises:
            ConfigError: the model can't be read.
        """
        if self.model is None:
            return self.name
        files = [self.model / name for name in FINDER_FILES] if self.name == "finder" else [self.model]
        try:
            return " ".join((self.name, *map(sha256_of, files)))
        except OSError as error:
            raise ConfigError(
                f"face model {self.model} can't be read: {error.strerror}; name YuNet's ONNX file, or a finder's folder"
            ) from None


VIOLA_JONES = DetectorChoice("viola-jones")
"""The detector of the paper, and of bundles that name none."""


def choose_detector(name: str = "auto", model: Path | None = None) -> DetectorChoice:
    """The detector for `--face-detector NAME` and `--face-model FILE`.

    Args:
        name: `auto` or one of `FACE_DETECTORS`. `auto` goes by the model: YuNet for a file, the finder for a folder,
            Viola-Jones for none.
        model: YuNet's file, or the folder of a finder. Without it `finder` is the one that ships, and `yunet` takes
            the file that `emostream models get yunet` has stored.

    Raises:
        ConfigError: there is no such detector, it takes no model, or it needs one.
    """
    if name not in ("auto", *FACE_DETECTORS):
        raise ConfigError(f"there is no face detector {name!r}; expected one of auto, {', '.join(FACE_DETECTORS)}")
    if name == "auto":
        name = "viola-jones" if model is None else "finder" if model.is_dir() else "yunet"
    if name == "viola-jones" and model is not None:
        raise ConfigError(f"--face-model {model} is of no use to --face-detector viola-jones; leave out one of them")
    if name == "finder" and model is None:
        model = FINDER
    if name == "yunet" and model is None:
        model = YUNET.stored()
        if model is None:
            raise ConfigError(
                "--face-detector yunet needs its model: get it with `emostream models get yunet`, or name the file "
                "with --face-model"
            )
    return DetectorChoice(name, model)


def warn_of_other_detector(bundle: Bundle, choice: DetectorChoice) -> None:
    """Log a warning if a bundle's video network was trained on faces that another detector found.

    The manifest's `training` names that detector; a bundle that names none was trained with Viola-Jones.
    """
    named = str(bundle.manifest.training.get("face_detector", VIOLA_JONES.name)).partition(" ")[0]
    if named != choice.name:
        _log.warning(
            "bundle %s was trained on faces found by %s; --face-detector %s crops faces a little differently, which "
            "may change results",
            bundle.path,
            named,
            choice.name,
        )
