"""What the network's maps should be, and how far they are from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from emostream.engines.frontend.detectors.finder import STRIDES
from emostream.trainer.finder.network import OUTPUTS, cell_centres

__all__ = ["Cells", "Decoded", "decode", "finder_loss", "flatten"]

_SIZES = {8: (0.0, 46.0), 16: (30.0, 108.0), 32: (76.0, 1e9)}  # of faces, sqrt(width * height), that a stride finds
_NEAR = 1.0  # cells, in each direction, from the middle of the box: these find the face
_LEAST_SEEN = 0.5  # of a face's box, in the picture: below, the network may say what it wants
_RING = 0.4  # weight of the teacher's word in a face's other cells


@dataclass(frozen=True)
class Cells:
    """The cells of all strides in one row.

    Attributes:
        centres: float [cells, 2], pixels.
        strides: float [cells].
    """

    centres: Tensor
    strides: Tensor

    @classmethod
    def of(cls, height: int, width: int) -> Cells:
        """The cells of a picture."""
        centres = [cell_centres(height, width, stride).reshape(-1, 2) for stride in STRIDES]
        strides = [torch.full((len(c),), float(s)) for c, s in zip(centres, STRIDES, strict=True)]
        return cls(torch.cat(centres), torch.cat(strides))


@dataclass(frozen=True)
class Decoded:
    """What the network says of each cell.

    Attributes:
        logits: float [n, cells] of the score.
        boxes: float [n, cells, 4]: middle, width, height in pixels.
        points: float [n, cells, 5, 2] in pixels.
    """

    logits: Tensor
    boxes: Tensor
    points: Tensor


def flatten(maps: list[Tensor]) -> Tensor:
    """Maps [n, OUTPUTS, h, w] of each stride to [n, cells, OUTPUTS]."""
    return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1).float()


def decode(maps: list[Tensor], cells: Cells) -> Decoded:
    """The network's numbers in pixels."""
    flat = flatten(maps)
    assert flat.shape[-1] == OUTPUTS
    scale = cells.strides[:, None]
    middle = cells.centres + flat[..., 1:3] * scale
    size = 2 * scale * torch.exp(flat[..., 3:5].clamp(-4, 4))
    points = cells.centres[:, None] + flat[..., 5:].reshape(*flat.shape[:2], 5, 2) * scale[..., None]
    return Decoded(flat[..., 0], torch.cat([middle, size], dim=-1), points)


def finder_loss(maps: list[Tensor], teacher: Tensor, faces: Tensor, cells: Cells) -> dict[str, Tensor]:
    """Losses of a batch.

    Args:
        maps: of the network.
        teacher: float [n, cells], YuNet's scores.
        faces: float [n, faces, 15], see `Shard`.
        cells: of the pictures.

    Returns:
        `score`, `box` and `points`, each to be minimised; `overlap`, mean IoU, to be looked at.
    """
    said = decode(maps, cells)
    middle, size = faces[..., :2] + faces[..., 2:4] / 2, faces[..., 2:4]
    there = faces[..., 14] >= _LEAST_SEEN
    doubtful = (faces[..., 14] >= 0) & ~there
    away = (cells.centres - middle[:, :, None]).abs()  # [n, faces, cells, 2]
    inside = (away <= size[:, :, None] / 2).all(dim=-1)
    side = size.prod(dim=-1).sqrt()[..., None]
    least, most = (torch.tensor([_SIZES[int(s)][i] for s in STRIDES]) for i in (0, 1))
    stride_index = (cells.strides.log2() - 3).long()
    fits = (side >= least[stride_index]) & (side <= most[stride_index])
    distance = away.amax(dim=-1) / cells.strides
    finds = there[..., None] & fits & (distance <= _NEAR)
    best, whose = torch.where(finds, distance, torch.inf).min(dim=1)  # [n, cells]
    positive = torch.isfinite(best)

    picture, cell = positive.nonzero(as_tuple=True)
    face = whose[picture, cell]
    truth, truth_points = faces[picture, face, :4], faces[picture, face, 4:14].reshape(-1, 5, 2)
    wanted = torch.cat([truth[:, :2] + truth[:, 2:] / 2, truth[:, 2:]], dim=-1)
    boxes, points = said.boxes[picture, cell], said.points[picture, cell]
    overlap, box_loss = _box_loss(boxes, wanted)
    # Visible faces weigh alike, whatever the number of their cells.
    share = 1 / finds.sum(dim=2).clamp(min=1)[picture, face].float()
    total = share.sum().clamp(min=1.0)
    norm = truth[:, 2:].mean(dim=-1)[:, None, None]
    point_loss = functional.smooth_l1_loss(points / norm, truth_points / norm, reduction="none", beta=0.03).mean(
        dim=(1, 2)
    )

    target = torch.zeros_like(said.logits)
    # Only where this stride's boxes are trained, too: else sure cells with wrong boxes win.
    in_face = (inside & fits & there[..., None]).any(dim=1)
    target = torch.where(in_face, teacher, target)
    target[picture, cell] = 0.75 + 0.25 * overlap.detach()
    weight = torch.where(in_face & ~positive, _RING, 1.0)
    weight = torch.where((inside & doubtful[..., None]).any(dim=1) & ~positive, 0.0, weight)
    probability = said.logits.detach().sigmoid()
    focus = (target - probability).abs() ** 1.5
    entropy = functional.binary_cross_entropy_with_logits(said.logits, target, reduction="none")
    return {
        "score": (weight * focus * entropy).sum() / total,
        "box": (share * box_loss).sum() / total,
        "points": (share * point_loss).sum() / total,
        "overlap": (share * overlap).sum().detach() / total,
    }


def _box_loss(boxes: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """IoU, and 1 - DIoU (Zheng et al. 2020) with the logarithms of the sizes, of boxes [n, 4] by their middles."""
    low = torch.maximum(boxes[:, :2] - boxes[:, 2:] / 2, wanted[:, :2] - wanted[:, 2:] / 2)
    high = torch.minimum(boxes[:, :2] + boxes[:, 2:] / 2, wanted[:, :2] + wanted[:, 2:] / 2)
    common = (high - low).clamp(min=0).prod(dim=-1)
    overlap = common / (boxes[:, 2:].prod(dim=-1) + wanted[:, 2:].prod(dim=-1) - common + 1e-6)
    outer_low = torch.minimum(boxes[:, :2] - boxes[:, 2:] / 2, wanted[:, :2] - wanted[:, 2:] / 2)
    outer_high = torch.maximum(boxes[:, :2] + boxes[:, 2:] / 2, wanted[:, :2] + wanted[:, 2:] / 2)
    diagonal = (outer_high - outer_low).square().sum(dim=-1) + 1e-6
    apart = (boxes[:, :2] - wanted[:, :2]).square().sum(dim=-1) / diagonal
    sizes = (boxes[:, 2:].clamp(min=1e-3).log() - wanted[:, 2:].clamp(min=1e-3).log()).abs().mean(dim=-1)
    return overlap, 1 - overlap + apart + 0.25 * sizes
