from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from emostream.trainer.stills.examples import StillClips, StillCrops
from emostream.trainer.stills.pictures import Picture, still_crop
from tests.trainer.stills.faces import drawn

LABELS = np.array([4, 0, 6])
CROP, CLIP = (150, 110, 3), (16, 150, 110, 3)


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [Picture(*drawn(actor), seen=True) for actor in range(3)]


def test_still_examples_are_the_streamers_crops_and_a_clip_is_one_of_them_repeated(pictures: list[Picture]) -> None:
    crops, clips = StillCrops(pictures, LABELS), StillClips(pictures, LABELS)
    assert len(crops) == len(clips) == 3
    assert crops.labels.tolist() == clips.labels.tolist() == [4, 0, 6]
    for index, picture in enumerate(pictures):
        ((crop,), label), ((clip,), _) = crops[index], clips[index]
        assert label.item() == LABELS[index]
        np.testing.assert_array_equal(crop, still_crop(picture))
        assert torch.equal(clip, crop.expand(CLIP))
    crops.seed, crops.epoch = 5, 9
    assert torch.equal(crops.inputs(1)[0], StillCrops(pictures, LABELS).inputs(1)[0])


@pytest.mark.parametrize(("kind", "shape"), [(StillCrops, CROP), (StillClips, CLIP)])
def test_varied_examples_depend_on_seed_epoch_and_row_alone(
    pictures: list[Picture], kind: type[StillCrops | StillClips], shape: tuple[int, ...]
) -> None:
    same = [pictures[0]] * 2
    found = set()
    for seed, epoch in ((0, 0), (0, 1), (7, 0)):
        examples = kind(same, LABELS[:2], varied=True)
        examples.seed, examples.epoch = seed, epoch
        for index in range(2):
            (made,) = examples.inputs(index)
            assert (tuple(made.shape), made.dtype) == (shape, torch.uint8)
            assert torch.equal(examples.inputs(index)[0], made)
            found.add(made.numpy().tobytes())
    assert len(found) == 6


def test_batches_are_made_of_them(pictures: list[Picture]) -> None:
    for kind, shape in ((StillCrops, CROP), (StillClips, CLIP)):
        (batch,), labels = next(iter(DataLoader(kind(pictures, LABELS, varied=True), batch_size=3)))
        assert tuple(batch.shape) == (3, *shape)
        assert labels.tolist() == LABELS.tolist()


def test_a_clip_varies_from_frame_to_frame_only_where_asked(pictures: list[Picture]) -> None:
    (still,), (moving,) = (StillClips(pictures, LABELS, varied=each).inputs(0) for each in (False, True))
    assert not (still[1:] != still[:-1]).any()
    assert all((one != other).any() for one, other in zip(moving[1:], moving[:-1], strict=True))
