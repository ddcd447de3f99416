"""Features of the frozen part: right, in order, cached, resumed, and with the bad pictures named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from milvus_hash.bundle import ImageInput
from milvus_hash.errors import InputError
from milvus_hash.media.image import load_image
from milvus_hash_export import features as module
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.features import cached_features
from milvus_hash_export.networks.backbones import Normalise
from milvus_hash_export.networks.image import Pool
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.views import make_view

CONFIG = TrainConfig(image_size=16, resize="squash", views=3)


def make_stream(frozen, signature="test"):
    torch.manual_seed(0)
    return Stream(frozen, nn.Identity(), nn.Linear(8, 8), pooled=nn.Identity(), signature=signature)


@pytest.fixture
def stream():
    torch.manual_seed(0)
    return make_stream(nn.Sequential(Normalise((127.0,) * 3, (128.0,) * 3), nn.Conv2d(3, 8, 3), nn.ReLU(), Pool()))


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


@pytest.fixture
def compute(stream, images, tmp_path):
    """Features in a folder of their own, unless one is named."""

    def run(config=CONFIG, folder=None, **given):
        folder = folder or tmp_path / f"cache{len(list(tmp_path.glob('cache*')))}"
        return cached_features(given.pop("stream", stream), "image", images, config, folder, progress=False, **given)

    return run


def pixels(path):
    return torch.from_numpy(load_image(path, ImageInput(16, "squash")).copy())[None]


def test_features_are_those_of_each_picture_alone(compute, stream, images):
    features = compute()
    assert (features.values.shape, features.values.dtype) == ((70, 3, 8), np.float16)
    assert isinstance(features.values, np.memmap)
    assert sorted(features.reasons) == np.flatnonzero(~features.good).tolist() == [5, 40]
    assert "empty" in features.reasons[5]
    assert "does not exist" in features.reasons[40]
    assert not features.values[[5, 40]].any()
    for i in (0, 4, 6, 39, 69):
        with torch.inference_mode():
            (expected,) = stream.features(pixels(images[i]))
        np.testing.assert_allclose(features.values[i, 0], expected[0], atol=2e-3)


def test_pixels_are_kept_as_they_are_where_nothing_is_frozen(compute, images):
    features = compute(stream=make_stream(nn.Sequential()))
    assert (features.values.shape, features.values.dtype) == ((70, 3, 16, 16, 3), np.uint8)
    assert np.array_equal(features.values[6, 0], pixels(images[6])[0])


def test_views_differ_and_the_seed_decides_them(compute):
    first, again, other = compute().values, compute().values, compute(replace(CONFIG, seed=1)).values
    assert np.array_equal(first, again)
    assert np.array_equal(first[:, 0], other[:, 0])
    assert not np.array_equal(first[:, 1], first[:, 2])
    assert not np.array_equal(first[:, 1], other[:, 1])


def test_all_frames_of_a_clip_are_cropped_alike():
    frame = torch.randint(0, 256, (1, 1, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    view = make_view(frame.expand(1, 4, 16, 16, 3), 1, torch.Generator().manual_seed(3))
    assert view.shape == (1, 4, 16, 16, 3)
    assert all(torch.equal(view[0, 0], view[0, i]) for i in range(4))
    assert torch.equal(view[:, 0], make_view(frame[:, 0], 1, torch.Generator().manual_seed(3)))


def test_bfloat16_is_close_to_float32(compute):
    exact = compute(replace(CONFIG, views=1)).values
    rough = compute(replace(CONFIG, views=1, feature_dtype="bfloat16")).values
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(exact, rough, atol=0.02)


def test_the_cache_is_used_for_the_same_pictures_and_settings_only(compute, stream, images, tmp_path, monkeypatch):
    folder = tmp_path / "shared"
    first = compute(folder=folder)
    monkeypatch.setattr(module, "load_visual", None)  # a recomputation would fail
    again = compute(folder=folder)
    assert np.array_equal(first.values, again.values)
    assert again.reasons == first.reasons
    monkeypatch.undo()
    Image.new("RGB", (9, 9), "red").save(images[0])
    assert not np.array_equal(first.values, compute(folder=folder).values)
    compute(replace(CONFIG, views=1), folder=folder)
    compute(stream=make_stream(stream.frozen, signature="another cut"), folder=folder)
    compute(boxes=None, folder=folder)
    assert len(list(folder.glob("*.npy"))) == 4
    with torch.no_grad():
        stream.frozen[1].weight.mul_(2)  # other weights under the same name
    assert not np.array_equal(first.values, compute(folder=folder).values)


def test_an_interrupted_computation_goes_on_where_it_stopped(compute, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FLUSH", 1)
    monkeypatch.setitem(module._BATCH, "image", 8)
    whole = compute()
    load, seen = module.load_visual, []

    def interrupted(source, target):
        seen.append(source)
        if len(seen) == 45:
            raise KeyboardInterrupt
        return load(source, target)

    monkeypatch.setattr(module, "load_visual", interrupted)
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        compute(folder=folder)
    done = json.loads(next(folder.glob("*.json")).read_text())["done"]
    assert 0 < done < 70
    before = len(seen)
    parts = compute(folder=folder)
    assert len(seen) - before == 70 - done
    assert np.array_equal(parts.values, whole.values)
    assert parts.reasons == whole.reasons


def test_another_run_that_made_the_file_first_is_not_overwritten(tmp_path):
    path = tmp_path / "features-x.npy"
    example = np.zeros((1, 1, 4), np.float16)
    first = module._create(path, example, 3)
    first[:] = 1
    second = module._create(path, example, 3)
    assert (second == 1).all()
    second[0] = 2
    assert (first[0] == 2).all()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


class WithBoxes(nn.Module):
    """Features that tell which boxes came in; none: -1."""

    def forward(self, image, boxes=None):
        return torch.full((len(image), 4), -1.0) if boxes is None else boxes.sum(dim=1)


def test_boxes_reach_the_frozen_part_beside_their_picture(compute):
    frozen = make_stream(WithBoxes())
    config = replace(CONFIG, views=1)
    boxes = np.random.default_rng(0).random((70, 3, 4)).astype(np.float32)
    values = compute(config, stream=frozen, boxes=boxes).values
    good = [i for i in range(70) if i not in (5, 40)]
    np.testing.assert_allclose(values[good, 0], boxes.sum(axis=1)[good], atol=5e-3)
    assert (compute(config, stream=frozen).values[good] == -1).all()


def test_a_full_disk_is_told_before_the_work(compute, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(InputError, match=r"the features need .* free; choose another folder"):
        compute()


class Usage:
    free = 10


def test_threads_are_given_back(compute):
    before = torch.get_num_threads()
    compute()
    assert torch.get_num_threads() == before


def test_only_bad_pictures_is_an_error(stream, tmp_path):
    names = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    for _ in range(2):
        with pytest.raises(InputError, match="none of 2 image files can be decoded"):
            cached_features(stream, "image", names, CONFIG, tmp_path / "cache", progress=False)
