"""How networks are trained: the paper's setting for pre-trained weights, and one from scratch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from emostream.trainer.fusion.pretrain import RBMRecipe

__all__ = ["RECIPES", "Recipe", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """How one network is trained.

    Attributes:
        optimiser: stochastic gradient descent with momentum, or AdamW.
        rate: learning rate; the highest one of a one-cycle schedule.
        momentum: of `sgd`.
        weight_decay: factor of the penalty; the paper doesn't state it.
        batch: segments in a mini-batch.
        epochs: passes over the training segments.
        one_cycle: the rate rises and falls (Smith and Topin 2019) instead of staying.
        label_smoothing: share of the target that goes to all classes alike.
        augment: whether segments are varied at random.
        balanced: whether classes are drawn equally often, instead of every example once an epoch.
        mixup: parameter of the Beta distribution by which pairs of examples are mixed (Zhang et al., "mixup", ICLR
            2018); 0 for none.
        freeze_convolutions: train the dense layers alone.
    """

    optimiser: Literal["sgd", "adamw"]
    rate: float
    batch: int
    epochs: int
    momentum: float = 0.9
    weight_decay: float = 0.0
    one_cycle: bool = False
    label_smoothing: float = 0.0
    augment: bool = False
    balanced: bool = False
    mixup: float = 0.0
    freeze_convolutions: bool = False


@dataclass(frozen=True)
class Recipe:
    """How the whole model is trained.

    Attributes:
        name: as `--recipe` takes it.
        audio: of the AlexNet.
        video: of the C3D.
        fusion: of the DBN and FC networks, after pre-training.
        rbm: of the DBN's layers.
        rbm_rates: rates of the machines of which the best on inner subjects is taken; the paper states none.
    """

    name: str
    audio: Schedule
    video: Schedule
    fusion: Schedule
    rbm: RBMRecipe
    rbm_rates: tuple[float, ...]

    def with_epochs(self, epochs: int) -> Recipe:
        """The same with this number of epochs everywhere."""
        parts = {part: replace(getattr(self, part), epochs=epochs) for part in ("audio", "video", "fusion", "rbm")}
        return replace(self, **parts)

    def with_frozen_convolutions(self) -> Recipe:
        """The same with the convolutions left as they are given."""
        parts = {part: replace(getattr(self, part), freeze_convolutions=True) for part in ("audio", "video")}
        return replace(self, **parts)


# The paper: SGD, momentum 0.9, batches of 30, rate 0.001, at most 300, 400 and 100 epochs, pre-trained weights.
_PAPER = Schedule("sgd", rate=1e-3, batch=30, epochs=300)
# The rest is ours: small networks from random weights, on some hundred to some ten thousand segments.
_SCRATCH = Schedule(
    "adamw", rate=1e-3, batch=30, epochs=30, weight_decay=0.01, one_cycle=True, label_smoothing=0.1, augment=True
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="paper",
            audio=_PAPER,
            video=replace(_PAPER, epochs=400),
            fusion=replace(_PAPER, epochs=100),
            rbm=RBMRecipe(),
            rbm_rates=(0.2, 0.5, 1.0),
        ),
        Recipe(
            name="scratch",
            audio=_SCRATCH,
            video=_SCRATCH,
            fusion=replace(_SCRATCH, epochs=30, augment=False),
            rbm=RBMRecipe(epochs=20),
            rbm_rates=(0.5,),
        ),
    )
}
