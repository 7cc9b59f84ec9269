"""The tracker and the crop, on a face that moves as it is told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from emostream.engines.errors import ConfigError
from emostream.engines.frontend.detectors.base import Face
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.detectors.yunet import YuNet
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.frontend.motion import moved_box, moved_eyes
from emostream.engines.frontend.picture import LEFT_EYE, RIGHT_EYE, align
from emostream.engines.media.track import VideoTrack


class Script:
    """A detector that finds what it is told to, and counts how it was asked."""

    def __init__(self) -> None:
        self.face: Face | None = None
        self.others: list[Face] = []
        self.searches = self.follows = 0

    def search(self, image):
        self.searches += 1
        return [f for f in (self.face, *self.others) if f]

    def follow(self, image, box):
        self.follows += 1
        return self.face


def face(x: float = 200, y: float = 100, side: float = 200, *, eyes: bool = True) -> Face:
    found = ((x + 0.3 * side, y + 0.385 * side), (x + 0.68 * side, y + 0.385 * side)) if eyes else None
    return Face((x, y, side, side), found)


IMAGE = np.full((480, 640, 3), 90, np.uint8)


def test_largest_face_is_kept_until_lost():
    detector = Script()
    tracker = FaceTracker(detector)
    detector.face, detector.others = face(side=100), [face(x=10, side=180)]
    assert tracker.update(0.0, IMAGE).box == (10, 100, 180, 180)
    detector.face = face(x=14, side=180)
    assert tracker.update(0.033, IMAGE).box == (14, 100, 180, 180)
    assert (detector.searches, detector.follows) == (1, 1)


def test_a_face_goes_where_its_eyes_go_but_is_known_again_ten_times_a_second():
    texture = np.random.default_rng(7).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    scene = cv2.resize(texture, (640, 480), interpolation=cv2.INTER_CUBIC)
    detector = Script()
    tracker = FaceTracker(detector)
    boxes = []
    for n in range(7):
        detector.face = face(x=200 + 3 * n)
        boxes.append(tracker.update(n / 30, np.roll(scene, 3 * n, axis=1)).box)
    assert (detector.searches, detector.follows) == (1, 2)
    assert [box[0] for box in boxes] == pytest.approx([200 + 3 * n for n in range(7)], abs=1)
    # Eyes that can't be followed are looked for.
    tracker.update(7 / 30, IMAGE)
    assert (detector.searches, detector.follows) == (1, 3)


def test_a_camera_that_changes_its_size_is_searched_anew():
    detector = Script()
    tracker = FaceTracker(detector)
    detector.face = face()
    tracker.update(0.0, IMAGE)
    detector.face = face(x=20, y=10, side=100)
    assert tracker.update(0.2, IMAGE[:240]).box == (20, 10, 100, 100)
    assert (detector.searches, detector.follows) == (2, 0)


def test_eyes_are_followed_as_the_whole_face_moves():
    from emostream.trainer.actors.face import LOOKS
    from emostream.trainer.actors.face import Face as Drawn

    first = Drawn(3).draw(0.4, 0, LOOKS["neutral"])
    (found,) = ViolaJones().search(first)
    assert found.eyes is not None
    moved = cv2.warpAffine(first, np.float32([[1.05, -0.03, -9], [0.03, 1.05, 6]]), first.shape[1::-1])
    expected = [(1.05 * x - 0.03 * y - 9, 0.03 * x + 1.05 * y + 6) for x, y in found.eyes]
    eyes = moved_eyes(first, moved, found.box, found.eyes)
    np.testing.assert_allclose(eyes, expected, atol=2)
    box = moved_box(found.box, found.eyes, eyes)
    assert box[2] == pytest.approx(1.05 * found.box[2], rel=0.03)


def test_eyes_that_cannot_be_the_same_faces_are_not_believed():
    eyes = ((260.0, 177.0), (336.0, 177.0))
    box = (200.0, 100.0, 200.0, 200.0)
    assert moved_box(box, eyes, ((262.0, 178.0), (338.0, 178.0))) == pytest.approx((202.0, 101.0, 200.0, 200.0))
    assert moved_box(box, eyes, ((260.0, 177.0), (400.0, 177.0))) is None
    assert moved_box(box, eyes, ((260.0, 177.0), (330.0, 210.0))) is None
    assert moved_eyes(IMAGE, IMAGE, box, eyes) is None  # nothing to hold on to
    assert moved_eyes(IMAGE, IMAGE, (900.0, 100.0, 200.0, 200.0), eyes) is None


def test_a_loss_of_up_to_300_ms_reuses_the_last_place():
    detector = Script()
    tracker = FaceTracker(detector)
    detector.face = face()
    assert tracker.update(0.0, IMAGE).crop is not None
    detector.face = None
    present = [tracker.update(t / 10, IMAGE).crop is not None for t in range(1, 7)]
    assert present == [True, True, True, False, False, False]


def test_searching_is_not_done_on_every_frame():
    detector = Script()
    tracker = FaceTracker(detector)
    for n in range(30):
        tracker.update(n / 30, IMAGE)
    assert 8 <= detector.searches <= 11


def test_a_face_without_eyes_must_be_found_twice():
    detector = Script()
    tracker = FaceTracker(detector)
    detector.face = face(eyes=False)
    assert [tracker.update(t / 5, IMAGE).crop is not None for t in range(3)] == [False, True, True]


def test_a_face_without_eyes_must_be_found_twice_in_a_row():
    detector = Script()
    tracker = FaceTracker(detector)
    detector.face = face(eyes=False)
    tracker.update(0.0, IMAGE)
    detector.face = None
    tracker.update(0.2, IMAGE)
    detector.face = face(eyes=False)
    assert tracker.update(0.4, IMAGE).crop is None


@pytest.mark.parametrize("start", [0.0, 0.1, 123.4, 98765.3])
def test_the_result_does_not_depend_on_absolute_time(start):
    detector = Script()
    tracker = FaceTracker(detector)
    detector.face = face()
    tracker.update(start, IMAGE)
    detector.face = None
    present = [tracker.update(start + n / 30, IMAGE).crop is not None for n in range(1, 12)]
    assert present == [True] * 9 + [False] * 2


def test_eyes_that_are_not_found_are_the_last_ones_moved_with_the_face():
    detector = Script()
    tracker = FaceTracker(detector)
    detector.face = Face((200, 100, 200, 200), ((250, 180), (330, 170)))
    tracker.update(0.0, IMAGE)
    detector.face = face(x=300, eyes=False)
    for n in range(1, 60):
        tracker.update(n / 30, IMAGE)
    np.testing.assert_allclose(tracker._track.points, ((350, 180), (430, 170)), atol=0.5)


def test_jitter_is_smoothed_and_motion_is_followed():
    rng = np.random.default_rng(2)
    detector = Script()
    tracker = FaceTracker(detector)
    raw, smooth = [], []
    for n in range(200):
        detector.face = face(x=200 + rng.normal(0, 0.5))
        tracker.update(n / 30, IMAGE)
        raw.append(detector.face.eyes[0][0])
        smooth.append(tracker._track.points[0][0])
    assert np.std(np.diff(smooth[50:])) < 0.7 * np.std(np.diff(raw[50:]))
    for n in range(200, 210):
        detector.face = face(x=200 + 8 * (n - 199))
        tracker.update(n / 30, IMAGE)
    assert abs(tracker._track.points[0][0] - detector.face.eyes[0][0]) < 8


def test_the_result_is_reproducible():
    images = [cv2.GaussianBlur(np.roll(IMAGE, n, 1), (3, 3), 0) for n in range(5)]
    runs = [
        [FaceTracker(ViolaJones()).update(n / 30, image).brightness for n, image in enumerate(images)] for _ in "ab"
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(("scale", "angle"), [(1.0, 0.0), (0.5, 12.0), (2.6, -8.0), (5.0, 20.0)])
def test_crop_brings_the_eyes_to_their_places(scale, angle):
    image = np.zeros((1000, 1400, 3), np.uint8)
    turn = np.exp(1j * np.deg2rad(angle))
    eyes = [complex(700, 450) + turn * dx * scale for dx in (-27.5, 27.5)]
    for eye, colour in zip(eyes, ((0, 0, 255), (255, 0, 0)), strict=True):
        cv2.circle(image, (round(eye.real), round(eye.imag)), max(3, round(3 * scale)), colour, -1)
    crop = align(image, tuple((e.real, e.imag) for e in eyes))
    assert (crop.shape, crop.dtype) == ((150, 110, 3), np.uint8)
    for channel, (x, y) in ((0, LEFT_EYE), (2, RIGHT_EYE)):  # red left, blue right: the crop is RGB
        rows, columns = np.nonzero(crop[..., channel] > 128)
        assert abs(columns.mean() - x) < 1.0
        assert abs(rows.mean() - y) < 1.0


def test_crop_outside_the_image_repeats_its_edge():
    assert align(np.full((40, 40, 3), 77, np.uint8), ((0.0, 0.0), (39.0, 0.0))).min() == 77
    assert align(np.full((600, 800, 3), 77, np.uint8), ((-300.0, 20.0), (-10.0, 20.0))).max() == 77


def test_yunet_needs_its_model(tmp_path):
    with pytest.raises(ConfigError, match="does not exist; expected a YuNet model"):
        YuNet(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ConfigError, match="is no YuNet model"):
        YuNet(tmp_path / "bad.onnx")


def share_with_face(frames) -> float:
    tracker = FaceTracker(ViolaJones())
    found = [tracker.update(t, image).crop is not None for t, image in frames]
    return sum(found) / len(found)


def test_the_synthetic_actor_is_followed():
    from emostream.trainer.actors.clip import Line, frames

    script = (Line("joy", 1.0), Line("sadness", 1.0), Line("surprise", 1.0))
    assert share_with_face(frames(script, actor=4)) >= 0.97


@pytest.mark.parametrize("name", ["speech_man.mp4", "speech_woman.mp4", "smile_near_silent.mp4"])
def test_at_most_three_percent_of_a_talking_head_are_lost(shared, name):
    with VideoTrack(str(shared / "clips" / name)) as track:
        assert share_with_face((frame.t, frame.image) for frame in track) >= 0.97


def test_a_cartoon_has_no_face(shared):
    with VideoTrack(str(shared / "clips" / "no_face_loud_audio.mp4")) as track:
        assert share_with_face((frame.t, frame.image) for frame in track) == 0.0
