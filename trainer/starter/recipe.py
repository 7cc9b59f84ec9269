"""What the starter is made of and how its networks are trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

from emostream.trainer.fusion.pretrain import RBMRecipe
from emostream.trainer.training.recipe import Recipe, Schedule

__all__ = ["LABELS", "LICENCE", "STARTER_RECIPE", "StarterRecipe"]

LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")

LICENCE = (
    "CC BY-NC-SA 4.0, non-commercial: trained on RAVDESS (Livingstone and Russo 2018, CC BY-NC-SA 4.0) and FER2013 "
    "(ICML 2013 challenge set, for research)"
)

_STILLS = Schedule(
    "adamw",
    rate=2e-3,
    batch=64,
    epochs=30,
    weight_decay=0.02,
    one_cycle=True,
    label_smoothing=0.1,
)
_VOICE = replace(_STILLS, epochs=18, augment=True, balanced=True)
_CLIPS = replace(_STILLS, rate=5e-5, batch=32, epochs=1)
_FUSION = replace(_STILLS, batch=128, epochs=8, weight_decay=0.5)
_MACHINES = RBMRecipe(epochs=8)


@dataclass(frozen=True)
class StarterRecipe:
    """How the starter is trained.

    Attributes:
        voice: of the AlexNet. On the actors left out of four groups 12 and 18 epochs gave an unweighted recall of
            69.0 and 70.4 %.
        stills: of the video network's twin for pictures.
        clips: of the C3D that it is inflated to, on moving clips of `clip_pictures` of the pictures.
        fusion: of the DBN on pairs of embeddings.
        rbm: of its machines.
        clip_pictures: pictures that clips are made of.
        known_faces: pictures whose embeddings the video head and the DBN are trained on, as even by class as they are.
        groups: of RAVDESS's actors that are left out in turn.
        pairs: faces that each voiced segment is paired with.
        voice_c: penalty of the voice head's SVM. On the actors left out 0.3, 1, 3 and 10 gave an unweighted recall of
            69.1, 69.0, 69.3 and 68.9 %, and a log-loss of 1.114, 1.114, 1.121 and 1.133.
        face_c: penalty of the face head's SVM; a small one, since its features are of faces that its network knows. On
            the public test 1, 0.1, 0.01 and 0.003 gave a log-loss of 1.021, 0.991, 0.9811 and 0.9813.
        fused_c: penalty of the fused head's SVM; a small one, for it too learns from voices and faces that its
            networks know.
    """

    voice: Schedule = _VOICE
    stills: Schedule = _STILLS
    clips: Schedule = _CLIPS
    fusion: Schedule = _FUSION
    rbm: RBMRecipe = _MACHINES
    clip_pictures: int = 6000
    known_faces: int = 5000
    groups: int = 6
    pairs: int = 4
    voice_c: float = 1.0
    face_c: float = 0.01
    fused_c: float = 0.03

    @property
    def as_recipe(self) -> Recipe:
        """The same for `Stages`, which trains voice and fusion."""
        return Recipe("starter", self.voice, self.clips, self.fusion, self.rbm, (self.rbm.rate,))


STARTER_RECIPE = StarterRecipe()
