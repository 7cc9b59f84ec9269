from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import entr, expit
from torch import Tensor

from emostream.engines.errors import ConfigError, TrainingError
from emostream.trainer.fusion.pretrain import LayerEpoch, RBMRecipe, pretrain
from emostream.trainer.fusion.rbm import BernoulliRBM, GaussianRBM
from emostream.trainer.networks.fusion import DBN
from emostream.trainer.networks.presets import PAPER

SHAPE = replace(PAPER.fusion, widths=(128, 64), third=32)
RECIPE = RBMRecipe(epochs=20, batch=10)
BRIEF = replace(RECIPE, epochs=2)
SCALINGS = ["minmax", "standard"]


def embeddings(count: int = 400, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two rectified views of a few common causes, one unit never on: [count, 180], [count, 120]."""
    world, draw = torch.Generator().manual_seed(99), torch.Generator().manual_seed(seed)
    mixing = torch.randn(4, 300, generator=world)
    causes = torch.randn(count, 4, generator=draw)
    seen = torch.relu(causes @ mixing + 0.3 * torch.randn(count, 300, generator=draw) - 0.5)
    seen[:, 7] = 0.0
    return seen[:, :180], seen[:, 180:]


def network(scaling: str = "standard", depth: int = 2, seed: int = 0) -> DBN:
    torch.manual_seed(seed)
    made = DBN(3, 180, 120, replace(SHAPE, scaling=scaling).at_depth(depth))
    made.fit_scaling(*embeddings())
    return made


def errors(history: list[LayerEpoch], layer: int) -> list[float]:
    return [entry.train.squared_error for entry in history if entry.layer == layer]


def machine_of(made: DBN, place: int) -> tuple[Tensor, Tensor]:
    return made.layers[place].weight.detach(), made.layers[place].bias.detach()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_layer_learns_to_reconstruct(scaling: str, depth: int) -> None:
    made = network(scaling, depth)
    output = copy.deepcopy(made.output.state_dict())
    before = [machine_of(made, place)[0].clone() for place in range(depth)]
    history = pretrain(made, *embeddings(), RECIPE, seed=1)
    assert [(entry.layer, entry.epoch) for entry in history] == [
        (layer, epoch) for layer in range(1, depth + 1) for epoch in range(1, RECIPE.epochs + 1)
    ]
    for layer in range(1, depth + 1):
        assert errors(history, layer)[-1] < 0.9 * errors(history, layer)[0]
    for place in range(depth):
        assert not torch.equal(machine_of(made, place)[0], before[place])
        assert made.layers[place].weight.requires_grad
    assert all(torch.equal(value, output[name]) for name, value in made.output.state_dict().items())


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_log_tells_what_the_layers_of_the_network_give(scaling: str) -> None:
    """Errors computed again, in NumPy, from the weights that pre-training leaves; visible biases aren't among them.

    The least squared error over all visible biases is that of the residual's mean taken away.
    """
    made = network(scaling)
    last = {entry.layer: entry for entry in pretrain(made, *embeddings(), RECIPE, seed=1)}
    v = made.visible(*embeddings()).double().numpy()
    for layer in (1, 2):
        weight, bias = (tensor.double().numpy() for tensor in machine_of(made, layer - 1))
        h = expit(v @ weight.T + bias)
        fit = last[layer].train
        if layer == 1:
            residual = v - h @ weight
            least = float(np.mean((residual - residual.mean(0)) ** 2))
            assert least <= fit.squared_error < 1.5 * least
            assert (fit.cross_entropy is None) == (scaling == "standard")
        else:
            assert fit.cross_entropy is not None
            entropy = float((entr(v) + entr(1 - v)).mean())
            assert entropy < fit.cross_entropy < np.log(2)
        v = h
    np.testing.assert_allclose(made.embed(*embeddings()).detach(), v, atol=1e-5)


def test_equal_seeds_give_equal_weights_whatever_the_global_generators_hold() -> None:
    made = [network() for _ in range(3)]
    for other, seed, state in zip(made, (1, 1, 2), (5, 6, 6), strict=True):
        torch.manual_seed(state)
        untouched = torch.get_rng_state()
        pretrain(other, *embeddings(), BRIEF, seed)
        assert torch.equal(torch.get_rng_state(), untouched)
    first, same, different = ([machine_of(other, place)[0] for place in range(2)] for other in made)
    assert all(map(torch.equal, first, same))
    assert not any(map(torch.equal, first, different))


def test_held_out_data_and_logging_change_nothing() -> None:
    plain, watched = network(), network()
    history = pretrain(plain, *embeddings(), BRIEF, seed=1)
    heard: list[LayerEpoch] = []
    told = pretrain(watched, *embeddings(), BRIEF, seed=1, log=heard.append, held_out=embeddings(80, seed=5))
    assert heard == told
    assert [replace(entry, held_out=None) for entry in told] == history
    assert all(torch.equal(value, watched.state_dict()[name]) for name, value in plain.state_dict().items())


def test_free_energy_tells_overfitting() -> None:
    """Of 20 samples learnt by heart, against a whole training fold: the held-out free energy rises above the own."""

    def gap(count: int) -> float:
        recipe = RBMRecipe(epochs=4000 // count, batch=20, weight_decay=0.0)
        history = pretrain(network(depth=1), *embeddings(count), recipe, seed=1, held_out=embeddings(400, seed=5))
        assert history[-1].held_out is not None
        return history[-1].held_out.free_energy - history[-1].train.free_energy

    few, many = gap(20), gap(400)
    assert few > 5 + max(0.0, many)


def test_one_wrong_number_in_the_embeddings_is_named() -> None:
    audio, video = embeddings()
    audio[3, 5] = torch.nan
    with pytest.raises(TrainingError, match=r"inputs of the fusion network, 400 segments, .* expected finite"):
        pretrain(network(), audio, video, BRIEF, seed=1)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_divergence_names_layer_epoch_rate_and_remedy(scaling: str) -> None:
    made = network(scaling)
    before = copy.deepcopy(made.state_dict())
    with pytest.raises(TrainingError) as stopped:
        pretrain(made, *embeddings(), RBMRecipe(epochs=30, rate=4.0), seed=1)
    message = str(stopped.value)
    assert "layer 1 diverged in epoch " in message
    assert "learning rate of 0.125: squared error " in message
    assert f"expected at most {1 if scaling == 'minmax' else 25} and a finite number" in message
    assert message.endswith("lower the recipe's rate, now 4, to 1 or less")
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


@pytest.mark.parametrize("hidden", [64, 1024])
def test_the_gaussian_rate_is_as_far_from_divergence_at_any_size(hidden: int) -> None:
    """Ten times the default rate diverges, the default doesn't, for narrow and wide machines."""
    torch.manual_seed(0)
    made = DBN(3, 180, 120, replace(SHAPE, widths=(hidden,), scaling="standard"))
    made.fit_scaling(*embeddings())
    recipe = RBMRecipe(epochs=20)
    history = pretrain(made, *embeddings(), recipe, seed=1)
    assert errors(history, 1)[-1] < 0.5
    with pytest.raises(TrainingError, match="diverged"):
        pretrain(made, *embeddings(), replace(recipe, epochs=60, rate=10 * recipe.rate), seed=1)


@pytest.mark.parametrize("joint", [64, 1024])
def test_hidden_units_of_wide_bernoulli_machines_stay_alive(joint: int) -> None:
    torch.manual_seed(0)
    made = DBN(3, 180, 120, replace(SHAPE, widths=(128, joint), scaling="standard"))
    made.fit_scaling(*embeddings())
    history = pretrain(made, *embeddings(), RBMRecipe(epochs=10, batch=10), seed=1)
    assert errors(history, 2)[-1] < 0.5 * errors(history, 2)[0]
    features = made.embed(*embeddings()).detach()
    assert 0.2 < float(features.mean()) < 0.8
    assert float(features.std(dim=0).mean()) > 0.1


def test_rates_of_the_two_kinds_of_machine() -> None:
    draw, mean = torch.Generator().manual_seed(0), torch.full((5,), 0.5)
    recipe = RBMRecipe(rate=0.1)
    assert recipe.rate_of(BernoulliRBM.fresh(mean, 512, draw)) == pytest.approx(1.6 / 512)
    assert recipe.rate_of(GaussianRBM.fresh(mean, 512, draw)) == pytest.approx(0.4 / 512)
    history = pretrain(network(), *embeddings(), replace(recipe, epochs=1), seed=1)
    assert [entry.rate for entry in history] == pytest.approx([0.4 / 128, 1.6 / 64])


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -0.1},
        {"cd_steps": 0},
    ],
    ids=str,
)
def test_recipes_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"{name} = {value:g}: expected"):
        RBMRecipe(**wrong)


def test_fewer_samples_than_a_batch_are_enough() -> None:
    history = pretrain(network(), *embeddings(7), RECIPE, seed=1)
    assert errors(history, 1)[-1] < errors(history, 1)[0]


def trained_weight(recipe: RBMRecipe) -> Tensor:
    made = network(depth=1)
    pretrain(made, *embeddings(), recipe, seed=1)
    return machine_of(made, 0)[0]


def test_weight_decay_shrinks_the_weights() -> None:
    recipe = replace(RECIPE, epochs=5)
    free, decayed = (trained_weight(replace(recipe, weight_decay=decay)).norm() for decay in (0.0, 0.3))
    assert decayed < 0.8 * free


def test_momentum_grows_after_the_fifth_epoch() -> None:
    low, high = (replace(RECIPE, momentum=momentum) for momentum in (0.5, 0.9))
    assert torch.equal(*(trained_weight(replace(recipe, epochs=5)) for recipe in (low, high)))
    assert not torch.equal(*(trained_weight(replace(recipe, epochs=6)) for recipe in (low, high)))


def test_sampled_inputs_between_0_and_1_teach_the_gaussian_machine_little() -> None:
    """Why visible units take their means by default: noise of unit variance is many times these inputs' own."""

    def error(scaling: str, sample_visible: bool) -> float:
        made = network(scaling, depth=1)
        recipe = replace(RECIPE, sample_visible=sample_visible)
        history = pretrain(made, *embeddings(), recipe, seed=1)
        return errors(history, 1)[-1] / float(made.visible(*embeddings()).var(0).mean())

    assert error("minmax", False) < 0.5 < 1.0 < error("minmax", True)
    assert error("standard", True) < 0.7
