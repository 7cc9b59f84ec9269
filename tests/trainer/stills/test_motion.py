from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from emostream.engines.frontend.picture import LEFT_EYE, RIGHT_EYE, align, similarity
from emostream.trainer.stills import motion
from emostream.trainer.stills.motion import moving_clip, varied_crop
from emostream.trainer.stills.pictures import MEAN_EYES, Picture
from tests.trainer.stills.faces import SIDE, blank, drawn

Image = npt.NDArray[np.uint8]

EYES = ((13.0, 19.0), (33.5, 17.0))
STRAIGHT = motion._Pose(0j, 0.0, 0.0)


@pytest.fixture(scope="module")
def face() -> Picture:
    image, eyes = drawn(3)
    return Picture(image, eyes, seen=True)


def softened(image: Image) -> Image:
    """Without the steep edges where OpenCV's steps of 1/32 pixel show."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)


def spot(x: float, y: float) -> Image:
    """A light spot in the dark, uint8 [48, 48]."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2))).round().astype(np.uint8)


def centre(crop: Image) -> complex:
    """Where the spot is in a crop, x + y i."""
    light = crop.astype(float) * (crop > 0.3 * crop.max())
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    return complex((light * columns).sum(), (light * rows).sum()) / light.sum()


def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pose and mirror alone."""
    monkeypatch.setattr(motion, "_lit", lambda frames, rng: frames)
    monkeypatch.setattr(motion, "_compressed", lambda image, quality: image)
    monkeypatch.setattr(motion, "_noisy", lambda frames, deviation, rng: frames)


def test_a_crop_without_variation_is_the_streamers(face: Picture) -> None:
    soft = softened(face.image)
    expected = align(np.repeat(soft[..., None], 3, axis=2), face.eyes)[..., 0]
    for pose in (STRAIGHT, motion._Pose(0j, 0.0, 0.0, mouth=1e-6)):
        crop = motion._warped(soft, *similarity(face.eyes), pose)
        assert (crop.shape, crop.dtype) == ((150, 110), np.uint8)
        assert np.abs(crop.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    "pose",
    [
        STRAIGHT,
        motion._Pose(6 - 4j, 0.0, 0.0),
        motion._Pose(0j, 11.0, 0.0),
        motion._Pose(0j, 0.0, 0.15),
        motion._Pose(-5 + 3j, -8.0, -0.1),
    ],
)
def test_a_pose_shifts_turns_and_enlarges_about_the_middle_of_the_eyes(pose: motion._Pose) -> None:
    between = complex(*LEFT_EYE) / 2 + complex(*RIGHT_EYE) / 2
    for place, eye in zip((LEFT_EYE, RIGHT_EYE), EYES, strict=True):
        away = (complex(*place) - between) * np.exp(pose.size + 1j * np.radians(pose.degrees))
        found = centre(motion._warped(spot(*eye), *similarity(EYES), pose))
        assert abs(found - (between + pose.shift + away)) < 0.25


def test_a_mouth_opens_below_the_nose_and_pulls_the_chin_down(face: Picture) -> None:
    soft, (a, b) = softened(face.image), similarity(face.eyes)
    shut, opened = (motion._warped(soft, a, b, motion._Pose(0j, 0.0, 0.0, mouth)) for mouth in (0.0, 6.0))
    difference = np.abs(shut.astype(int) - opened)
    assert difference[:99].max() <= 2
    assert difference[105:].max() > 10
    line = np.broadcast_to(np.where(np.arange(SIDE) == 44, 255, 0)[:, None], (SIDE, SIDE)).astype(np.uint8)
    straight = ((15.0, 18.0), (33.0, 18.0))
    shut, opened = (
        motion._warped(line, *similarity(straight), motion._Pose(0j, 0.0, 0.0, mouth))[:, 55].argmax()
        for mouth in (0.0, 6.0)
    )
    assert opened - shut == pytest.approx(6, abs=1)


def test_mirrored_faces_have_their_eyes_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch)
    monkeypatch.setattr(motion, "_stance", lambda picture, rng: STRAIGHT)
    picture = Picture(spot(*EYES[0]), EYES, seen=True)
    found = [centre(varied_crop(picture, np.random.default_rng(seed))[..., 0]) for seed in range(20)]
    sides = [min((LEFT_EYE, RIGHT_EYE), key=lambda eye: abs(complex(*eye) - place)) for place in found]
    assert set(sides) == {LEFT_EYE, RIGHT_EYE}
    assert max(abs(complex(*side) - place) for side, place in zip(sides, found, strict=True)) < 0.25


def test_eyes_stray_as_far_as_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch)
    between = (complex(*EYES[0]) + complex(*EYES[1])) / 2
    spread = {}
    for seen in (True, False):
        picture = Picture(spot(between.real, between.imag), EYES, seen)
        places = [centre(varied_crop(picture, np.random.default_rng(seed))[..., 0]) for seed in range(60)]
        assert abs(np.mean(places) - 55 - 50j) < 1.5
        spread[seen] = np.std(places)
    assert 1.2 < spread[True] < 2.5  # both axes together
    assert 4.5 < spread[False] < 8.5


@pytest.mark.parametrize("seen", [True, False])
def test_crops_and_clips_are_grey_pictures_that_the_generator_alone_decides(face: Picture, seen: bool) -> None:
    picture = Picture(face.image, face.eyes if seen else MEAN_EYES, seen)
    before = picture.image.copy()
    for make, shape in ((varied_crop, (150, 110, 3)), (moving_clip, (16, 150, 110, 3))):
        made = [make(picture, np.random.default_rng(seed)) for seed in range(25)]
        for seed, each in enumerate(made):
            assert (each.shape, each.dtype) == (shape, np.uint8)
            assert np.array_equal(each[..., 0], each[..., 1])
            assert np.array_equal(each[..., 0], each[..., 2])
            assert np.array_equal(make(picture, np.random.default_rng(seed)), each)
        assert len({each.tobytes() for each in made}) == 25
    assert np.array_equal(picture.image, before)


def test_a_pictures_variations_differ_in_light_and_contrast(face: Picture) -> None:
    crops = np.stack([varied_crop(face, np.random.default_rng(seed)) for seed in range(60)]).astype(float)
    assert crops.mean((1, 2, 3)).std() > 12
    assert crops.std((1, 2, 3)).std() > 4


def test_frames_of_a_clip_differ_but_little(face: Picture) -> None:
    clips = np.stack([moving_clip(face, np.random.default_rng(seed))[..., 0] for seed in range(25)]).astype(float)
    within = np.abs(np.diff(clips, axis=1)).mean((2, 3))
    between = np.abs(clips[1:, 0] - clips[:-1, 0]).mean((1, 2))
    assert within.min() > 0.1  # none stands still
    assert np.median(within) < 7
    assert within.max() < 18  # with a camera's noise
    assert within.mean() < between.mean() / 5
    light = clips.mean((2, 3))
    assert light.std(axis=1).max() < 3 < light[:, 0].std()  # one light for the whole clip


def test_a_head_sways_with_jitter_while_it_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch)
    monkeypatch.setattr(motion, "_stance", lambda picture, rng: STRAIGHT)
    between = (complex(*EYES[0]) + complex(*EYES[1])) / 2
    picture = Picture(spot(between.real, between.imag), EYES, seen=True)
    steps = [
        np.diff([centre(frame) for frame in moving_clip(picture, np.random.default_rng(seed))[..., 0]])
        for seed in range(12)
    ]
    assert 0.8 < np.sqrt(np.mean(np.abs(steps) ** 2)) / np.sqrt(2) < 1.9  # pixels of the crop, as was measured


def test_a_picture_of_one_grey_has_none_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch)
    clip = moving_clip(Picture(blank(77), MEAN_EYES, seen=False), np.random.default_rng(0))
    assert np.unique(clip).tolist() == [77]
