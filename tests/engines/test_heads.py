from __future__ import annotations

import warnings
import zipfile

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.svm import SVC

from emostream.engines.errors import BundleError
from emostream.engines.heads import HEAD_NAMES, LinearSVM, couple, load_heads, save_heads


@pytest.fixture(scope="module", params=[3, 6])
def libsvm(request):
    x, y = make_blobs(n_samples=240, centers=request.param, n_features=5, cluster_std=6.0, random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn announces the end of its Platt scaling
        model = SVC(kernel="linear", C=1.0, probability=True, decision_function_shape="ovo", random_state=0).fit(x, y)
        return x.astype(np.float32), model, model.predict_proba(x)


def as_head(model: SVC) -> LinearSVM:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        parts = (model.coef_, model.intercept_, model.probA_, model.probB_)
    return LinearSVM(*(part.astype(np.float32) for part in parts))


def test_decisions_and_probabilities_equal_libsvm(libsvm):
    x, model, expected = libsvm
    head = as_head(model)
    np.testing.assert_allclose(head.decisions(x), model.decision_function(x), atol=2e-4, rtol=1e-4)
    ours = head.probabilities(x)
    np.testing.assert_allclose(ours.sum(axis=1), 1.0)
    # LIBSVM iterates until no condition is off by more than 0.005 / C; ours solves the same system exactly.
    np.testing.assert_allclose(ours, expected, atol=5e-3)


def test_coupling_recovers_consistent_pairs():
    p = np.array([0.1, 0.2, 0.3, 0.4])
    pairs = np.array([p[i] / (p[i] + p[j]) for i in range(4) for j in range(i + 1, 4)])
    np.testing.assert_allclose(couple(pairs[None], 4)[0], p, atol=1e-12)


def test_rows_are_coupled_each_on_its_own():
    pairs = np.random.default_rng(0).random((50, 15))
    pairs[0], pairs[1] = 1.0, 0.0
    alone = np.concatenate([couple(row[None], 6) for row in pairs])
    np.testing.assert_allclose(couple(pairs, 6), alone, atol=1e-12)


def test_certain_pairs_give_finite_probabilities():
    assert np.isfinite(couple(np.ones((1, 3)), 3)).all()
    assert couple(np.ones((1, 3)), 3).argmax() == 0


def heads(rng: np.random.Generator) -> dict:
    def one(size: int) -> LinearSVM:
        return LinearSVM(*(rng.standard_normal(s).astype(np.float32) for s in ((3, size), 3, 3, 3)))

    return {name: one(size) for name, size in zip(HEAD_NAMES, (4, 5, 6), strict=True)}


def test_round_trip(tmp_path):
    written = heads(np.random.default_rng(0))
    save_heads(tmp_path / "heads.npz", written)
    read = load_heads(tmp_path / "heads.npz")
    for name in HEAD_NAMES:
        np.testing.assert_array_equal(read[name].weight, written[name].weight)
        assert (read[name].classes, read[name].features) == (3, written[name].features)


@pytest.mark.parametrize(
    "damage", ["truncated", "missing", "misshapen", "nan", "pickle", "text", "npy", "strings", "bytes", "flipped"]
)
def test_damage_gets_one_error(tmp_path, damage):
    file = tmp_path / "heads.npz"
    save_heads(file, heads(np.random.default_rng(0)))
    arrays = dict(np.load(file))
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:300])
    elif damage == "text":
        file.write_text("no archive")
    elif damage == "npy":
        with file.open("wb") as stream:
            np.save(stream, np.zeros(3, np.float32))
    elif damage == "bytes":
        with zipfile.ZipFile(file, "w") as archive:
            for name in arrays:
                archive.writestr(name, b"no array")
    elif damage == "flipped":
        np.savez_compressed(file, **arrays)
        whole = bytearray(file.read_bytes())
        whole[60:80] = bytes(20)
        file.write_bytes(whole)
    else:
        if damage == "missing":
            del arrays["video_bias"]
        elif damage == "misshapen":
            arrays["video_bias"] = np.zeros(4, np.float32)
        elif damage == "strings":
            arrays["video_bias"] = np.array(["1", "2", "3"])
        elif damage == "nan":
            arrays["video_bias"][0] = np.nan
        elif damage == "pickle":
            arrays["video_bias"] = np.array([{}], dtype=object)
        np.savez(file, **arrays)
    with pytest.raises(BundleError, match="make the bundle again") as caught:
        load_heads(file)
    assert "\n" not in str(caught.value)
