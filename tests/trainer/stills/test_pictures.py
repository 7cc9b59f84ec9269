from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.picture import LEFT_EYE, RIGHT_EYE, align
from emostream.trainer.datasets.fer2013 import read_still_faces
from emostream.trainer.stills import pictures
from emostream.trainer.stills.pictures import MEAN_EYES, Picture, find_eyes, still_clip, still_crop
from tests.trainer.stills.faces import blank, drawn


@pytest.mark.parametrize("jobs", [1, 2])
def test_eyes_are_found_in_order_and_no_picture_is_left_out(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_PART", 3)  # three pieces of work
    faces = [drawn(actor) for actor in range(4)]
    images = np.stack([faces[0][0], blank(7), faces[1][0], blank(90), blank(200), faces[2][0], faces[3][0]])
    found = find_eyes(images, jobs)
    assert [each.seen for each in found] == [True, False, True, False, False, True, True]
    for picture, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(picture.image, image)
    assert {each.eyes for each in found if not each.seen} == {MEAN_EYES}
    here = pictures._looked_at(ViolaJones(), images)
    assert [each.eyes for each in found] == [eyes or MEAN_EYES for eyes in here]
    for picture, (_, eyes) in zip((each for each in found if each.seen), faces, strict=True):
        np.testing.assert_allclose(picture.eyes, eyes, atol=1.5)  # as in full resolution


def test_no_pictures_give_none() -> None:
    assert find_eyes(np.zeros((0, 48, 48), np.uint8), 2) == []


@pytest.mark.parametrize(
    ("eyes", "plausible"),
    [
        (MEAN_EYES, True),
        (((10.0, 20.0), (30.0, 15.0)), True),
        (((15.0, 18.0), (25.0, 18.0)), False),  # too near
        (((9.0, 18.0), (37.0, 18.0)), False),  # too far apart
        (((14.5, 28.0), (32.4, 28.0)), False),  # too low
        (((15.0, 13.0), (31.0, 22.0)), False),  # too steep
    ],
)
def test_eyes_that_no_such_face_has_are_a_mistake(eyes: pictures.Eyes, plausible: bool) -> None:
    assert pictures._plausible(eyes) is plausible


def test_places_in_the_enlarged_picture_are_brought_back() -> None:
    image = np.zeros((48, 48), np.uint8)
    image[20, 31] = 255
    framed = cv2.copyMakeBorder(image, *(pictures._BORDER,) * 4, cv2.BORDER_REPLICATE)
    enlarged = cv2.resize(framed, None, fx=pictures._ENLARGED, fy=pictures._ENLARGED, interpolation=cv2.INTER_NEAREST)
    y, x = (float(places.mean()) for places in np.nonzero(enlarged))
    assert (pictures._back(x), pictures._back(y)) == (31.0, 20.0)


def test_a_still_face_is_cropped_as_the_streamer_crops_it() -> None:
    image, eyes = drawn(2)
    picture = Picture(image, eyes, seen=True)
    crop, clip = still_crop(picture), still_clip(picture)
    np.testing.assert_array_equal(crop, align(np.repeat(image[..., None], 3, axis=2), eyes))
    assert (clip.shape, clip.dtype) == ((16, 150, 110, 3), np.uint8)
    assert all(np.array_equal(frame, crop) for frame in clip)
    for x, y in (LEFT_EYE, RIGHT_EYE):  # pupils are darker than the skin around them
        eye = crop[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4]
        assert float(eye.mean()) < float(crop[20:80].mean())


def test_about_half_of_fer2013s_faces_show_their_eyes(shared: Path) -> None:
    images = read_still_faces(shared / "fer2013.npz").images[::180]
    found = find_eyes(images, jobs=1)
    assert len(found) == len(images) == 200
    assert 70 < sum(each.seen for each in found) < 120
    eyes = np.array([each.eyes for each in found if each.seen])
    np.testing.assert_allclose(eyes.mean(axis=0), MEAN_EYES, atol=1.0)
