"""Video networks: shapes, cuts, what learns and what stays, frames seen in order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_streams import GREY, SPREAD, units
from torch import nn

from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.networks import video
from milvus_hash_export.networks.backbones import BACKBONES, Backbone
from milvus_hash_export.networks.video import MotionBlock, NormaliseVideo, PerFrame, build_video_parts

SIZE = 32


def parts(backbone="r3d_18", weights="random", **settings):
    torch.manual_seed(0)
    return build_video_parts(TrainConfig(visual="video", backbone=backbone, image_size=SIZE, **settings), weights)


def clips(n, frames=4):
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, frames, SIZE, SIZE, 3), generator=generator, dtype=torch.uint8)


@pytest.fixture
def small(monkeypatch):
    """A picture backbone of two convolutions in the table."""
    monkeypatch.setitem(BACKBONES, "small", lambda weights, size: Backbone(units(), 48, GREY, SPREAD))


@pytest.mark.parametrize("backbone", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_a_frozen_3d_network_gives_vectors(backbone):
    made = parts(backbone)
    with torch.inference_mode():
        features = made.frozen.eval()(clips(2, frames=2))
    assert features.shape == (2, made.width) == (2, 512)
    assert torch.equal(made.trunk(features), features)
    assert torch.equal(made.pooled(features), features)
    assert made.pretrained == ()


@pytest.mark.parametrize("unfreeze", [1, 3])
def test_the_cut_does_not_change_what_is_computed(unfreeze):
    whole, made = parts(), parts(unfreeze=unfreeze)
    with torch.inference_mode():
        maps = made.frozen.eval()(clips(2))
        expected = whole.frozen.eval()(clips(2))
        assert maps.ndim == 5
        assert torch.allclose(made.trunk.eval()(maps), expected, atol=1e-4)
        assert torch.equal(made.pooled(maps), maps.mean((2, 3, 4)))
    assert {id(p) for p in made.pretrained} == {id(p) for p in made.trunk.parameters()}
    assert made.signature != whole.signature


def test_with_everything_unfrozen_the_features_are_the_pixels():
    made, whole = parts(unfreeze=9), parts()
    pixels = clips(2)
    assert made.frozen(pixels) is pixels
    with torch.inference_mode():
        assert torch.allclose(made.trunk.eval()(pixels), whole.frozen.eval()(pixels), atol=1e-4)
    assert torch.allclose(made.pooled(pixels), pixels.float().mean((1, 2, 3)) / 255)


def test_batch_statistics_stay_while_the_tail_learns():
    made = parts(unfreeze=1)
    before = {name: value.clone() for name, value in made.trunk.state_dict().items()}
    made.trunk.train()
    made.trunk(torch.randn(2, 512, 2, 2, 2)).sum().backward()
    torch.optim.SGD(made.pretrained, 0.1).step()
    changed = {name for name, value in made.trunk.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert changed == {name for name, _ in made.trunk.named_parameters()}


@pytest.mark.parametrize("frames", [1, 3, 8])
def test_a_picture_backbone_sees_every_frame(small, frames):
    made = parts("small")
    frozen = made.frozen.eval()
    video = clips(3, frames)
    with torch.inference_mode():
        maps = frozen(video)
        alone = [frozen(video[:, f : f + 1]) for f in range(frames)]
        embedding = made.trunk.eval()(maps)
    assert maps.shape == (3, 48, frames, 3, 3)
    assert torch.allclose(maps, torch.cat(alone, dim=2), atol=1e-5)
    assert embedding.shape == (3, made.width)
    assert torch.equal(embedding[:, :48], made.pooled(maps))
    assert made.pretrained == ()


@pytest.mark.parametrize(("side", "grid"), [(1, 1), (2, 2), (3, 3), (4, 3), (7, 3), (8, 3), (14, 3)])
def test_maps_are_averaged_down_to_a_grid(side, grid):
    """Windows of equal size: where 3 divides the side they are its thirds, and 7 places overlap as 3 + 3 + 3."""
    network = PerFrame(Backbone([], 3, (0.0,) * 3, (1.0,) * 3))
    pixels = torch.arange(side * side * 3).reshape(1, 1, side, side, 3).to(torch.uint8)
    maps = network(pixels)
    assert maps.shape == (1, 3, 1, grid, grid)
    if side in (3, 7):
        expected = nn.functional.adaptive_avg_pool2d(pixels[0].permute(0, 3, 1, 2).float(), grid)
        assert torch.allclose(maps[:, :, 0], expected)


def test_the_trained_block_sees_the_order_of_frames():
    torch.manual_seed(0)
    block = MotionBlock(8).eval()
    maps = torch.randn(2, 8, 4, 3, 3)
    turned = maps.flip(2)
    with torch.inference_mode():
        assert torch.allclose(block(maps)[:, :8], block(turned)[:, :8], atol=1e-6)
        assert not torch.allclose(block(maps)[:, 8:], block(turned)[:, 8:], atol=1e-4)


def test_normalisation():
    pixels = clips(1, 2)
    normal = NormaliseVideo((10.0, 20.0, 30.0), (2.0, 4.0, 8.0))(pixels)
    assert normal.shape == (1, 3, 2, SIZE, SIZE)
    expected = (pixels[0, 1, 5, 7].numpy().astype(float) - [10, 20, 30]) / [2, 4, 8]
    assert np.allclose(normal[0, :, 1, 5, 7], expected)


def test_weights_from_a_file(tmp_path):
    models = pytest.importorskip("torchvision.models.video")
    torch.manual_seed(5)
    net = models.r3d_18()
    torch.save(net.state_dict(), tmp_path / "r3d.pt")
    made = parts(weights=str(tmp_path / "r3d.pt"))
    state = made.frozen.state_dict()
    assert torch.equal(state["1.0.weight"], net.stem[0].weight)
    assert torch.equal(state["9.conv2.0.weight"], net.layer4[1].conv2[0].weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "c3d"}, "no video backbone 'c3d'; there are: mc3_18, r2plus1d_18, r3d_18, efficientnet_lite0"),
        ({"unfreeze": 10}, "unfreeze is 10; this video backbone allows 0 to 9"),
        ({"backbone": "efficientnet_lite0", "unfreeze": 1}, "for videos efficientnet_lite0 stays frozen"),
        ({"weights": "imagenet"}, "'imagenet' is not a file; for r3d_18 give a path, 'kinetics400' or 'random'"),
    ],
)
def test_what_there_is_not(settings, message):
    with pytest.raises(InputError, match=message):
        parts(**settings)


def test_published_weights_are_named(monkeypatch):
    """``kinetics400`` asks torchvision for the weights of that name; nothing is fetched here."""
    asked = []
    models = pytest.importorskip("torchvision.models.video")
    build = models.r3d_18
    monkeypatch.setattr(models, "r3d_18", lambda weights: asked.append(weights) or build())
    video._torchvision("r3d_18", "R3D_18_Weights", video.KINETICS)
    assert asked == [models.R3D_18_Weights.KINETICS400_V1]
