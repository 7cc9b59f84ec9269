"""The finder at run time: what its maps mean, on both runtimes, at any size; and what a damaged folder says."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from emostream.engines.errors import ConfigError
from emostream.engines.frontend.detectors import finder as finder_module
from emostream.engines.frontend.detectors.choose import DetectorChoice, choose_detector
from emostream.engines.frontend.detectors.finder import FINDER_FILES, FaceFinder, upright, upright_crop
from emostream.engines.frontend.detectors.network import load_network
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.media.track import VideoTrack

FACE = np.array([[40.0, 50.0], [80.0, 54.0], [62.0, 75.0], [46.0, 92.0], [78.0, 95.0]], np.float32)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finder's folder with random weights."""
    torch = pytest.importorskip("torch", reason="making a finder needs the train extra")
    from emostream.trainer.finder.export import export_finder
    from emostream.trainer.finder.network import FinderNetwork
    from emostream.trainer.finder.points import PointsNetwork, export_points

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("finder")
    network = FinderNetwork()
    for head in network.heads:
        torch.nn.init.constant_(head.pointwise.bias[:1], 0.0)  # so that it sees faces everywhere
    export_finder(network, folder / "finder.onnx")
    export_points(PointsNetwork(), folder / "points.onnx")
    (folder / "finder.json").write_text(json.dumps({"threshold": 0.4}))
    return folder


def maps_of(height: int, width: int, faces: list[tuple[int, int, int, float]]) -> list[np.ndarray]:
    """Maps in which these cells (stride, row, column, logit) see the same face, and no others do."""
    maps = [np.zeros((1, 15, height // s, width // s), np.float32) for s in (8, 16, 32)]
    for one in maps:
        one[:, 0] = -9.0
    for stride, row, column, logit in faces:
        cell = maps[(8, 16, 32).index(stride)][0, :, row, column]
        centre = (np.array([column, row]) + 0.5) * stride
        low, high = FACE.min(axis=0) - 12, FACE.max(axis=0) + 12
        cell[0] = logit
        cell[1:3] = ((low + high) / 2 - centre) / stride
        cell[3:5] = np.log((high - low) / (2 * stride))
        cell[5:] = ((FACE - centre) / stride).ravel()
    return maps


def test_what_the_maps_mean(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finder = FaceFinder(untrained / "finder.onnx", threshold=0.5)
    monkeypatch.setattr(
        finder, "_finder", lambda _: maps_of(128, 160, [(16, 4, 3, 2.0), (8, 8, 7, 1.0), (32, 2, 1, 0.5)])
    )
    (face,) = finder.search(np.zeros((128, 160, 3), np.uint8))  # three cells see one face
    assert face.score == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert face.box == pytest.approx((28.0, 38.0, 64.0, 69.0), abs=1e-3)
    np.testing.assert_allclose(face.points, FACE, atol=1e-3)
    assert face.eyes == (pytest.approx((40.0, 50.0)), pytest.approx((80.0, 54.0)))


@pytest.mark.parametrize("roll", [-60.0, 0.0, 35.0])
def test_the_second_look_is_upright(roll: float) -> None:
    turn = cv2.getRotationMatrix2D((60.0, 70.0), roll, 1.3)
    points = FACE @ turn[:, :2].T.astype(np.float32) + turn[:, 2].astype(np.float32)
    level = upright(FACE)
    matrix = upright(points)
    here, there = (p @ m[:, :2].T + m[:, 2] for p, m in ((points, matrix), (FACE, level)))
    np.testing.assert_allclose(here, there, atol=1e-3)  # whatever the turn and the size, the same crop
    assert abs(here[1, 1] - here[0, 1]) < 3.0
    image = np.zeros((200, 200, 3), np.uint8)
    for x, y in points[:2]:
        cv2.circle(image, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
    crop, _ = upright_crop(image, points)
    assert crop.shape == (64, 64)
    for x, y in here[:2]:
        assert crop[round(float(y)), round(float(x))] > 150


def test_overlapping_boxes_are_one_face_as_opencv_has_it() -> None:
    rng = np.random.default_rng(3)
    boxes = np.concatenate([rng.uniform(0, 300, (80, 2)), rng.uniform(20, 24, (80, 2))], axis=1).astype(np.float32)
    scores = rng.uniform(0.1, 1.0, 80).astype(np.float32)
    kept = finder_module._best(boxes, scores)
    expected = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.0, finder_module._SAME_FACE)
    assert sorted(kept) == sorted(np.asarray(expected).ravel().tolist())  # of like sizes none lies inside another


def test_both_runtimes_give_the_same(untrained: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (1, 96, 160, 3), dtype=np.uint8)
    one, other = (load_network(untrained / "finder.onnx", name)(pixels) for name in ("openvino", "onnxruntime"))
    for found, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-3)
    crop = pixels[:, :64, :64, :1]
    one, other = (load_network(untrained / "points.onnx", name)(crop) for name in ("openvino", "onnxruntime"))
    np.testing.assert_allclose(one[0], other[0], atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8192, 3), (8192, 8, 3), (480, 640, 3), (33, 47, 3), (60, 80)])
def test_pictures_of_any_size(untrained: Path, shape: tuple[int, ...]) -> None:
    finder = FaceFinder.load(untrained)
    image = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    for face in finder.search(image)[:3]:
        assert 0.0 < face.score < 1.0
        assert np.isfinite(face.box).all()
        followed = finder.follow(image, face.box)
        assert followed is None or np.isfinite(followed.box).all()
    assert finder.follow(image, (1e6, 1e6, 50.0, 50.0)) is None


def test_pictures_of_16_bits_are_refused(untrained: Path) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \[height, width, 3\], got uint16 \[4, 4, 3\]"):
        FaceFinder.load(untrained).search(np.zeros((4, 4, 3), np.uint16))  # type: ignore[arg-type]


def test_it_is_chosen_by_its_folder(untrained: Path, tmp_path: Path) -> None:
    assert (
        choose_detector(model=untrained) == choose_detector("finder", untrained) == DetectorChoice("finder", untrained)
    )
    assert isinstance(choose_detector("finder", untrained).make(), FaceFinder)
    first = choose_detector(model=untrained).identity
    for name in FINDER_FILES:
        (tmp_path / name).write_bytes((untrained / name).read_bytes())
    assert choose_detector(model=tmp_path).identity == first
    (tmp_path / "finder.json").write_text('{"threshold": 0.5}')
    assert choose_detector(model=tmp_path).identity != first


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("points.onnx", None, "has no points.onnx; expected the folder that emostream-train finder wrote"),
        ("finder.json", b"{", "can't be loaded: .*; train or copy it again"),
        ("finder.json", b'{"threshold": 2}', "threshold 2.0 is not between 0 and 1"),
        ("finder.json", b"{}", "can't be loaded: 'threshold'"),
        ("finder.onnx", b"no network", "can't be loaded: "),
        ("finder.onnx", b"", "can't be loaded: "),
    ],
)
def test_a_damaged_folder_is_one_line(
    untrained: Path, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    for each in FINDER_FILES:
        if each != name:
            (tmp_path / each).write_bytes((untrained / each).read_bytes())
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=says) as raised:
        choose_detector("finder", tmp_path).make()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("clip", "least"), [("speech_man.mp4", 1.0), ("speech_woman.mp4", 1.0), ("no_face_loud_audio.mp4", 0.0)]
)
def test_the_finder_that_ships_on_real_clips(shared: Path, clip: str, least: float) -> None:
    """Both eyes in every frame of the talking heads; nothing in the cartoon title."""
    tracker = FaceTracker(choose_detector("finder").make())
    with VideoTrack(str(shared / "clips" / clip)) as video:
        seen = [tracker.update(frame.t, frame.image).eyes is not None for frame in video]
    assert np.mean(seen) == least
