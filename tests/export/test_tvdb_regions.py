"""Regions of a picture: chosen in each picture by itself, clipped, in order, and with the features of their place."""

from __future__ import annotations

import pytest
import torch

from milvus_hash.errors import InputError
from milvus_hash_export.networks.proposals import NONE, Proposals
from milvus_hash_export.networks.region_lstm import RegionLSTM
from milvus_hash_export.networks.regions import (
    MOST_WINDOWS,
    Grid,
    RegionSteps,
    WholePicture,
    overlap,
    pick,
    region_features,
    windows,
)

SIZE = 64


def spots(*places, side=8):
    """Maps of one channel with an active place each; ``None`` for an empty map."""
    maps = torch.zeros(len(places), 1, side, side)
    for i, place in enumerate(places):
        if place is not None:
            maps[(i, 0, *place)] = 1.0
    return maps


def noise(n=3, side=7, channels=5):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(n))


def test_windows_lie_in_the_picture():
    boxes = windows()
    assert boxes.shape == (MOST_WINDOWS, 4)
    assert boxes.min() >= 0
    assert boxes.max() <= 1 + 1e-6
    assert ((boxes[:, 2:] - boxes[:, :2]) > 0.3).all()


def test_features_of_a_region_are_those_of_its_place():
    """On a map that holds its own coordinates a region has those of its centre."""
    side = 8
    ramp = torch.arange(side) + 0.5  # pixel i covers i to i + 1
    maps = torch.stack([ramp.expand(side, side), ramp.view(-1, 1).expand(side, side)]).unsqueeze(0)
    boxes = torch.tensor([[[0.25, 0.25, 0.75, 0.75], [0.1, 0.5, 0.4, 0.8]]])
    expected = torch.tensor([[[4.0, 4.0], [2.0, 5.2]]])
    assert torch.allclose(region_features(maps, boxes), expected, atol=1e-5)


def test_overlap():
    box = torch.tensor([[[0.0, 0.0, 0.5, 1.0]]])
    others = torch.tensor([[[0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 1.0], [0.5, 0.0, 1.0, 1.0], [0.2, 0.2, 0.2, 0.2]]])
    assert torch.allclose(overlap(box, others), torch.tensor([[1.0, 1 / 3, 0.0, 0.0]]))


def test_the_best_come_first_and_what_overlaps_them_last():
    boxes = torch.tensor([[[0.0, 0, 0.5, 0.5], [0.01, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0.5, 0.5, 1]]])
    scores = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    order = [boxes[0].tolist().index(box) for box in pick(boxes, scores, 4, 0.5)[0].tolist()]
    assert order == [0, 2, 3, 1]


def test_the_most_active_window_is_dominant():
    boxes = Grid(3, 0.5)(spots((slice(0, 2), slice(6, 8)), (slice(5, 8), slice(0, 3))))
    assert boxes.shape == (2, 3, 4)
    assert boxes[0, 0].tolist() == pytest.approx([0.65, 0, 1, 0.35])
    assert boxes[1, 0].tolist() == pytest.approx([0, 0.65, 0.35, 1])


def test_a_picture_does_not_depend_on_its_neighbours():
    maps, grid, steps = noise(4), Grid(6, 0.5), RegionSteps()
    together = steps(maps, grid(maps))
    alone = torch.cat([steps(m, grid(m)) for m in maps.split(1)])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.equal(grid(maps.flip(0)), grid(maps).flip(0))


def test_a_blank_picture_has_the_windows_in_their_order():
    for value in (0.0, 0.1):
        boxes = Grid(2, 1.0)(torch.full((1, 3, 7, 7), value))
        assert torch.equal(boxes[0], windows()[:2])


def test_as_many_regions_as_windows():
    boxes = Grid(MOST_WINDOWS, 0.5)(noise(1))
    assert len({tuple(box) for box in boxes[0].tolist()}) == MOST_WINDOWS


def test_given_boxes_come_first_in_their_order_and_windows_fill_up():
    maps, grid = noise(2), Grid(4, 0.5)
    given = torch.tensor([[[0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.31, 0.3], [0.0] * 4], [[0.0] * 4] * 3])
    boxes = grid(maps, given)
    assert torch.equal(boxes[0, :2], given[0, :2])
    assert (torch.cdist(boxes[0, 2:], windows()).amin(1) == 0).all()
    assert torch.equal(boxes[1], grid(maps)[1])


def test_more_boxes_than_regions_lose_the_last_ones():
    given = torch.rand(1, 9, 2).sort(dim=1).values
    given = torch.cat([given * 0.4, given * 0.4 + 0.3], dim=2)
    assert torch.equal(Grid(3, 0.5)(noise(1), given), given[:, :3])


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        pytest.param([-0.5, 0.2, 0.5, 3.0], [0.0, 0.2, 0.5, 1.0], id="clipped"),
        pytest.param([1.5, 0.2, 2.0, 0.4], None, id="outside"),
        pytest.param([0.5, 0.2, 0.5, 0.9], None, id="no area"),
        pytest.param([0.9, 0.2, 0.1, 0.9], None, id="turned round"),
        pytest.param([float("nan"), 0.2, 0.5, 0.9], None, id="not a number"),
    ],
)
def test_boxes_that_are_not_in_the_picture(box, kept):
    maps, grid = noise(1), Grid(2, 0.5)
    boxes = grid(maps, torch.tensor([[box]]))
    if kept is None:
        assert torch.equal(boxes, grid(maps))
    else:
        assert boxes[0, 0].tolist() == pytest.approx(kept)


def test_a_step_has_features_and_position_and_the_last_is_the_whole_picture():
    maps = noise(2)
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 1.0]], [[0.5, 0.25, 1.0, 0.75]]])
    steps = RegionSteps()(maps, boxes)
    assert steps.shape == (2, 2, 5 + 4)
    assert steps[:, 0, -4:].tolist() == [[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 0.5]]
    assert torch.allclose(steps[:, 1, :5], maps.mean((2, 3)))
    assert steps[0, 1, -4:].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert torch.equal(WholePicture()(steps), steps[:, 1, :5])


def test_the_lstm_averages_both_directions_over_the_steps():
    torch.manual_seed(0)
    network = RegionLSTM(5, 6, position_copies=3).eval()
    steps = torch.randn(2, 4, 9)
    assert network.lstm.input_size == 5 + 3 * 4
    outputs, _ = network.lstm(torch.cat([steps[..., :5], *[steps[..., 5:]] * 3], dim=2))
    assert torch.allclose(network(steps), outputs.mean(1).clamp(min=0))
    assert network(steps).shape == (2, 12)
    assert not torch.allclose(network(steps), network(steps.flip(1)))


@pytest.fixture(scope="module")
def detector():
    """A detector with random weights whose answers have the size of trained ones."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    torch.manual_seed(0)
    network = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    head = network.rpn.head
    with torch.no_grad():
        answers = head(list(network.backbone(torch.randn(1, 3, SIZE, SIZE)).values()))
        for layer, maps, size in zip((head.cls_logits, head.bbox_pred), answers, (3.0, 0.1), strict=True):
            layer.weight *= size / torch.cat([m.flatten() for m in maps]).std()
    return network


@pytest.fixture(scope="module")
def proposals(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "detector.pt"
    torch.save(detector.state_dict(), path)
    return Proposals(SIZE, 5, 0.7, weights=str(path))


def pictures(n=2):
    return torch.randint(0, 256, (n, SIZE, SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def test_the_best_proposal_is_that_of_torchvision(detector, proposals):
    from torchvision.models.detection.image_list import ImageList

    images = proposals.normalise(pictures())
    with torch.inference_mode():
        expected, _ = detector.rpn(ImageList(images, [(SIZE, SIZE)] * 2), detector.backbone(images))
        boxes = proposals(pictures())
    for mine, theirs in zip(boxes, expected, strict=True):
        assert torch.allclose(mine[0] * SIZE, theirs[0], atol=0.2)


def test_proposals_lie_in_the_picture_and_do_not_depend_on_the_batch(proposals):
    with torch.inference_mode():
        together = proposals(pictures(3))
        alone = torch.cat([proposals(p) for p in pictures(3).split(1)])
    assert together.shape == (3, 5, 4)
    assert together.min() >= 0
    assert together.max() <= 1
    assert ((together[..., 2:] - together[..., :2]) > 0).all()
    assert torch.allclose(together, alone, atol=1e-3)


def test_weights_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(InputError, match=r"rpn_weights 'nowhere\.pt' is not a file"):
        Proposals(SIZE, 2, 0.5, weights="nowhere.pt")
    path = tmp_path / "other.pt"
    torch.save({"backbone.body.conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="do not fit fasterrcnn_resnet50_fpn"):
        Proposals(SIZE, 2, 0.5, weights=str(path))


def test_more_proposals_than_anchors():
    with pytest.raises(InputError, match="region_count is 300; a picture of 32 pixels has 258 anchors"):
        Proposals(32, 300, 0.7, weights=NONE)
