"""Features of the frozen part: right, in order, cached, and with the bad pictures named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from milvus_hash.bundle import ImageInput
from milvus_hash.errors import InputError
from milvus_hash.media.image import load_image
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.features import cached_features, compute_features
from milvus_hash_export.networks.backbones import Backbone
from milvus_hash_export.networks.image import ImageHash

CONFIG = TrainConfig(image_size=16, resize="squash", views=3)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ImageHash(Backbone([nn.Conv2d(3, 8, 3), nn.ReLU()], 8, (127.0,) * 3, (128.0,) * 3), nn.Identity())


@pytest.fixture
def images(tmp_path):
    """70 pictures (more than two batches) with two bad ones among them."""
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(70)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (20, 24, 3)).astype(np.uint8)).save(path)
    paths[5].write_bytes(b"")
    paths[40].unlink()
    return [str(path) for path in paths]


def test_features_are_those_of_each_picture_alone(network, images):
    features = compute_features(network, images, CONFIG, progress=False)
    assert (features.values.shape, features.values.dtype) == ((70, 3, 8), torch.float16)
    assert sorted(features.reasons) == np.flatnonzero(~features.good).tolist() == [5, 40]
    assert "empty" in features.reasons[5]
    assert "does not exist" in features.reasons[40]
    for i in (0, 4, 6, 39, 69):
        pixels = torch.from_numpy(load_image(images[i], ImageInput(16, "squash")).copy())[None]
        with torch.inference_mode():
            assert torch.allclose(features.values[i, 0].float(), network.features(pixels)[0], atol=2e-3)


def test_views_differ_and_the_seed_decides_them(network, images):
    first = compute_features(network, images, CONFIG, progress=False).values
    again = compute_features(network, images, CONFIG, progress=False).values
    other = compute_features(network, images, replace(CONFIG, seed=1), progress=False).values
    assert torch.equal(first, again)
    assert torch.equal(first[:, 0], other[:, 0])
    assert not torch.equal(first[:, 1], first[:, 2])
    assert not torch.equal(first[:, 1], other[:, 1])


def test_bfloat16_is_close_to_float32(network, images):
    exact = compute_features(network, images, replace(CONFIG, views=1), progress=False).values
    rough = compute_features(network, images, replace(CONFIG, views=1, feature_dtype="bfloat16"), progress=False).values
    assert not torch.equal(exact, rough)
    assert torch.allclose(exact.float(), rough.float(), atol=0.02)


def test_the_cache_is_used_for_the_same_pictures_and_settings_only(network, images, tmp_path):
    cache = tmp_path / "cache"
    first = cached_features(network, images, CONFIG, cache, progress=False)
    with torch.no_grad():
        network.frozen[1].weight.zero_()  # a recomputation would show
    again = cached_features(network, images, CONFIG, cache, progress=False)
    assert torch.equal(first.values, again.values)
    assert again.reasons == first.reasons
    Image.new("RGB", (9, 9), "red").save(images[0])
    changed = cached_features(network, images, CONFIG, cache, progress=False)
    assert not torch.equal(first.values, changed.values)
    assert len(list(cache.iterdir())) == 2


def test_threads_are_given_back(network, images):
    before = torch.get_num_threads()
    compute_features(network, images, CONFIG, progress=False)
    assert torch.get_num_threads() == before


def test_only_bad_pictures_is_an_error(network, tmp_path):
    with pytest.raises(InputError, match="none of 2 pictures can be decoded"):
        compute_features(network, [str(tmp_path / "a.png"), str(tmp_path / "b.png")], CONFIG, progress=False)
