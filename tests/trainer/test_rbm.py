"""Machines small enough to enumerate every state; and scikit-learn's."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM as SklearnRBM
from torch import Tensor

from emostream.trainer.fusion.rbm import RBM, BernoulliRBM, GaussianRBM, Gradient, cross_entropy, squared_error

VISIBLE, HIDDEN = 4, 3
KINDS = [BernoulliRBM, GaussianRBM]


def states(units: int) -> Tensor:
    """All binary states, [2^units, units]."""
    return torch.tensor(list(product((0.0, 1.0), repeat=units)), dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def machine(kind: type[RBM], seed: int = 0) -> RBM:
    shapes = ((HIDDEN, VISIBLE), (VISIBLE,), (HIDDEN,))
    draw = generator(seed)
    return kind(*(torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes))


def observations(kind: type[RBM], count: int = 12) -> Tensor:
    draw = generator(7)
    if kind is GaussianRBM:
        return 1.5 * torch.randn(count, VISIBLE, generator=draw, dtype=torch.float64)
    return torch.randint(2, (count, VISIBLE), generator=draw).double()


def parameters(rbm: RBM) -> tuple[Tensor, Tensor, Tensor]:
    return rbm.weight, rbm.visible_bias, rbm.hidden_bias


def minus_energy(rbm: RBM, v: Tensor, h: Tensor) -> Tensor:
    """-E(v, h) of every pair: [visible states, hidden states]."""
    own = -0.5 * (v - rbm.visible_bias).square().sum(1) if isinstance(rbm, GaussianRBM) else v @ rbm.visible_bias
    return own[:, None] + h @ rbm.hidden_bias + v @ rbm.weight.T @ h.T


def log_partition(rbm: RBM) -> Tensor:
    """log Z: over all states, with the Gaussian units' integral in closed form."""
    h = states(HIDDEN)
    if isinstance(rbm, BernoulliRBM):
        return minus_energy(rbm, states(VISIBLE), h).flatten().logsumexp(0)
    pull = h @ rbm.weight
    integral = 0.5 * VISIBLE * math.log(2 * math.pi) + pull @ rbm.visible_bias + 0.5 * pull.square().sum(1)
    return (h @ rbm.hidden_bias + integral).logsumexp(0)


def log_likelihood(rbm: RBM, v: Tensor) -> Tensor:
    """Exact, [batch]."""
    return minus_energy(rbm, v, states(HIDDEN)).logsumexp(1) - log_partition(rbm)


def exact_gradient(rbm: RBM, v: Tensor) -> Gradient:
    """Expectations under the data minus expectations under the model, over all states."""
    h = states(HIDDEN)
    if isinstance(rbm, BernoulliRBM):
        joint = minus_energy(rbm, states(VISIBLE), h).flatten().softmax(0).reshape(-1, len(h))
        model = Gradient(h.T @ joint.T @ states(VISIBLE), joint.sum(1) @ states(VISIBLE), joint.sum(0) @ h)
    else:
        centres = h @ rbm.weight + rbm.visible_bias
        pull = centres.square().sum(1) / 2 - rbm.visible_bias.square().sum() / 2
        weights = (h @ rbm.hidden_bias + pull).softmax(0)
        model = Gradient((weights[:, None] * h).T @ centres, weights @ (centres - rbm.visible_bias), weights @ h)
    posterior = minus_energy(rbm, v, h).softmax(1)
    centred = v - rbm.visible_bias if isinstance(rbm, GaussianRBM) else v
    data = Gradient((posterior @ h).T @ v / len(v), centred.mean(0), (posterior @ h).mean(0))
    return Gradient(*(here - there for here, there in zip(data, model, strict=True)))


@pytest.mark.parametrize("kind", KINDS)
def test_enumerated_probabilities_integrate_to_one(kind: type[RBM]) -> None:
    """The reference itself: over all states, or by importance sampling for real units."""
    rbm = machine(kind)
    if kind is BernoulliRBM:
        total = log_likelihood(rbm, states(VISIBLE)).logsumexp(0)
        assert float(total) == pytest.approx(0.0, abs=1e-12)
    else:
        spread = torch.distributions.Normal(torch.zeros(VISIBLE).double(), 4.0)
        torch.manual_seed(0)
        v = spread.sample((400_000,))
        ratio = (log_likelihood(rbm, v) - spread.log_prob(v).sum(1)).exp().mean()
        assert float(ratio) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_free_energy_is_the_log_likelihood_up_to_the_partition_function(kind: type[RBM]) -> None:
    rbm, v = machine(kind), observations(kind)
    torch.testing.assert_close(-rbm.free_energy(v) - log_partition(rbm), log_likelihood(rbm, v))


@pytest.mark.parametrize("kind", KINDS)
def test_means_are_the_conditional_expectations(kind: type[RBM]) -> None:
    rbm, v, h = machine(kind), observations(kind), states(HIDDEN)
    torch.testing.assert_close(rbm.hidden_means(v), minus_energy(rbm, v, h).softmax(1) @ h)
    if kind is BernoulliRBM:
        expected = minus_energy(rbm, states(VISIBLE), h).softmax(0).T @ states(VISIBLE)
    else:  # a Gaussian's mean is where its energy is least
        v = rbm.visible_means(h).requires_grad_()
        (slope,) = torch.autograd.grad(minus_energy(rbm, v, h).diagonal().sum(), v)
        torch.testing.assert_close(slope, torch.zeros_like(slope))
        expected = v.detach()
    torch.testing.assert_close(rbm.visible_means(h), expected)
    torch.testing.assert_close(rbm.reconstruct(v), rbm.visible_means(rbm.hidden_means(v)))


@pytest.mark.parametrize("kind", KINDS)
def test_exact_gradient_is_the_slope_of_the_free_energies(kind: type[RBM]) -> None:
    """Autograd of log Z - F against expectations over all states, written out."""
    rbm, v = machine(kind), observations(kind)
    for tensor in parameters(rbm):
        tensor.requires_grad_()
    slopes = torch.autograd.grad((-rbm.free_energy(v) - log_partition(rbm)).mean(), parameters(rbm))
    for slope, expected in zip(slopes, exact_gradient(rbm, v), strict=True):
        torch.testing.assert_close(slope, expected.detach())


def mean_estimate(rbm: RBM, v: Tensor, steps: int, sample_visible: bool = True) -> Gradient:
    """Contrastive divergence of each observation many times over, which averages chance away."""
    many = v.repeat(5000, 1)
    return rbm.contrastive_divergence(many, steps, generator(3), sample_visible=sample_visible)


def distance(one: Gradient, other: Gradient) -> float:
    return max(float((here - there).abs().max()) for here, there in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_contrastive_divergence_tends_to_the_exact_gradient(kind: type[RBM]) -> None:
    rbm, v = machine(kind), observations(kind)
    exact = exact_gradient(rbm, v)
    far, near = (distance(mean_estimate(rbm, v, steps), exact) for steps in (1, 60))
    assert near < 0.03 < 0.06 < far


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_has_the_expectation_of_its_definition(kind: type[RBM]) -> None:
    """Of the visible bias, over every hidden state that the data may draw: E[v] - E[v'], both kinds of chain."""
    rbm, v, h = machine(kind), observations(kind), states(HIDDEN)
    posterior = minus_energy(rbm, v, h).softmax(1)
    rebuilt = posterior @ rbm.visible_means(h)
    for sample_visible in (True, False):
        estimate = mean_estimate(rbm, v, 1, sample_visible)
        torch.testing.assert_close(estimate.visible_bias, (v - rebuilt).mean(0), atol=0.02, rtol=0)


def test_sampled_units_have_the_moments_of_their_distribution() -> None:
    means = torch.tensor([0.0, 0.2, 0.9, 1.0], dtype=torch.float64).repeat(40_000, 1)
    drawn = machine(BernoulliRBM).visible_samples(means, generator())
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), means[0], atol=0.01, rtol=0)
    real = machine(GaussianRBM).visible_samples(means, generator())
    torch.testing.assert_close(real.mean(0), means[0], atol=0.02, rtol=0)
    torch.testing.assert_close(real.T.cov(), torch.eye(VISIBLE, dtype=torch.float64), atol=0.03, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_training_raises_the_exact_likelihood(kind: type[RBM]) -> None:
    """Two patterns and their noise: from nothing to nearly what the data's own distribution would reach."""
    draw = generator(1)
    centres = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    chosen = centres[torch.randint(2, (400,), generator=draw)]
    if kind is BernoulliRBM:
        flips = torch.rand(chosen.shape, generator=draw) < 0.1
        v = torch.where(flips, 1 - chosen, chosen)
        best = float(torch.tensor([log_mixture_bernoulli(row, centres) for row in v]).mean())
    else:
        v = 3 * chosen + torch.randn(chosen.shape, generator=draw, dtype=torch.float64)
        parts = torch.stack([-(v - 3 * centre).square().sum(1) / 2 for centre in centres])
        best = float((parts.logsumexp(0) - math.log(2) - 0.5 * VISIBLE * math.log(2 * math.pi)).mean())
    rbm = kind.fresh(v.mean(0), HIDDEN, draw)
    start = float(log_likelihood(rbm, v).mean())
    for _ in range(1500):
        gradient = rbm.contrastive_divergence(v, 1, draw, sample_visible=True)
        for parameter, slope in zip(parameters(rbm), gradient, strict=True):
            parameter.add_(slope, alpha=0.1)
    reached = float(log_likelihood(rbm, v).mean())
    assert start < best - 0.4
    assert reached > start + 0.8 * (best - start)


def log_mixture_bernoulli(row: Tensor, centres: Tensor) -> float:
    """Log-probability under the two patterns with a tenth of the units flipped."""
    kept = (row == centres).sum(1)
    return float((kept * math.log(0.9) + (VISIBLE - kept) * math.log(0.1)).logsumexp(0)) - math.log(2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_machine_expects_the_mean_of_the_data(kind: type[RBM]) -> None:
    mean = torch.tensor([0.1, 0.5, 0.7, 0.9])
    rbm = kind.fresh(mean, 2000, generator())
    assert rbm.weight.shape == (2000, VISIBLE)
    assert float(rbm.weight.std()) == pytest.approx(0.01, rel=0.05)
    assert not rbm.hidden_bias.any()
    torch.testing.assert_close(rbm.visible_means(torch.zeros(1, 2000))[0], mean)


def test_units_that_never_change_get_finite_biases() -> None:
    rbm = BernoulliRBM.fresh(torch.tensor([0.0, 1.0]), 3, generator())
    torch.testing.assert_close(rbm.visible_bias, torch.tensor([-math.log(99), math.log(99)]))


def digits() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Handwritten digits, 8 x 8 pixels, 0 to 1."""
    return load_digits().data[:600] / 16.0


def as_sklearn(rbm: RBM) -> SklearnRBM:
    """The same machine in scikit-learn's hands."""
    other = SklearnRBM(n_components=len(rbm.hidden_bias), n_iter=1, random_state=0)
    other.fit(np.zeros((1, len(rbm.visible_bias))))
    other.components_, other.intercept_visible_, other.intercept_hidden_ = (p.numpy() for p in parameters(rbm))
    return other


def test_scikit_learn_computes_the_same() -> None:
    draw = generator(5)
    rbm = BernoulliRBM(*(torch.randn(shape, generator=draw, dtype=torch.float64) for shape in ((16, 64), (64,), (16,))))
    other, v = as_sklearn(rbm), digits()
    np.testing.assert_allclose(rbm.hidden_means(torch.from_numpy(v)), other.transform(v), rtol=1e-10)
    np.testing.assert_allclose(rbm.free_energy(torch.from_numpy(v)), other._free_energy(v), rtol=1e-10)


@pytest.mark.parametrize("sample_visible", [True, False])
def test_training_comes_as_far_as_scikit_learn(sample_visible: bool) -> None:
    """Pseudo-likelihood by scikit-learn's own measure, and reconstruction, after as many updates of the same size."""
    v = digits().round()
    other = SklearnRBM(n_components=32, learning_rate=0.05, batch_size=20, n_iter=20, random_state=0).fit(v)
    data, draw = torch.from_numpy(v), generator()
    rbm = BernoulliRBM.fresh(data.mean(0), 32, draw)
    fresh = as_sklearn(BernoulliRBM(*(p.clone() for p in parameters(rbm))))
    for _ in range(20):
        for rows in torch.randperm(len(data), generator=draw).split(20):
            gradient = rbm.contrastive_divergence(data[rows], 1, draw, sample_visible=sample_visible)
            for parameter, slope in zip(parameters(rbm), gradient, strict=True):
                parameter.add_(slope, alpha=0.05)

    def pseudo_likelihood(model: SklearnRBM) -> float:
        model.random_state = 0
        return float(np.mean([model.score_samples(v).mean() for _ in range(5)]))

    def error(machine_: RBM) -> float:
        return float(squared_error(data, machine_.reconstruct(data)))

    start, ours, theirs = (pseudo_likelihood(model) for model in (fresh, as_sklearn(rbm), other))
    theirs_here = BernoulliRBM(
        *(torch.from_numpy(p) for p in (other.components_, other.intercept_visible_, other.intercept_hidden_))
    )
    assert ours > start + 0.8 * (theirs - start)
    assert error(rbm) < 1.1 * error(theirs_here)


def test_cross_entropy_is_that_of_the_paper_with_its_sign_mended() -> None:
    z, rebuilt = torch.tensor([[0.0, 0.25, 1.0]]), torch.tensor([[0.2, 0.5, 0.9]])
    expected = (-math.log(0.8) + math.log(2) - math.log(0.9)) / 3
    assert float(cross_entropy(z, rebuilt)) == pytest.approx(expected)
    assert float(squared_error(z, rebuilt)) == pytest.approx((0.04 + 0.0625 + 0.01) / 3)


def test_cross_entropy_stays_finite_where_a_gaussian_machine_overshoots() -> None:
    z = torch.tensor([[0.0, 1.0, 0.5]])
    inside = cross_entropy(z, torch.tensor([[1e-6, 1 - 1e-6, 0.5]]))
    assert float(cross_entropy(z, torch.tensor([[-0.3, 1.4, 0.5]]))) == pytest.approx(float(inside))
    assert float(cross_entropy(z, torch.tensor([[1.2, 1.0, 0.5]]))) == pytest.approx(
        (math.log(1e6) + math.log(2)) / 3, rel=0.01
    )
