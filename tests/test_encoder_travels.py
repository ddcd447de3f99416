"""An encoder in other processes and threads: it opens its graphs there, or says why it cannot."""

import copy
import multiprocessing
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tiny_model import write_tiny_bundle

from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleError, ProviderError

TEXTS = ["a red flower", "the blue bus", "green"]


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "b", bits=(32, 64))


def _encode(encoder):
    return encoder.encode_texts(TEXTS)


@pytest.mark.parametrize("used", [False, True], ids=["before-its-first-use", "after-it"])
@pytest.mark.parametrize(
    "travel",
    [
        pytest.param(lambda encoder: pickle.loads(pickle.dumps(encoder)), id="pickle"),
        pytest.param(lambda encoder: pickle.loads(pickle.dumps(encoder, protocol=2)), id="old-protocol"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ],
)
def test_a_copy_gives_the_same_codes(bundle, used, travel):
    encoder = Encoder.load(bundle.path, threads=1, batch_size=2)
    if used:
        _encode(encoder)
    other = travel(encoder)
    assert (other.bundle, other.bits, other.threads, other.batch_size) == (bundle, 64, 1, 2)
    assert np.array_equal(_encode(other), _encode(encoder))
    assert np.array_equal(_encode(pickle.loads(pickle.dumps(other))), _encode(encoder))


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_other_processes_give_the_same_codes(bundle, method):
    encoder = Encoder.load(bundle.path, threads=2)
    expected = _encode(encoder)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert all(np.array_equal(codes, expected) for codes in pool.map(_encode, [encoder] * 4))


def test_a_relative_path_travels_to_another_folder(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(bundle.path.parent)
    data = pickle.dumps(Encoder.load("b"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert np.array_equal(_encode(pickle.loads(data)), _encode(Encoder.load(bundle.path)))


def test_a_bundle_that_changed_meanwhile_is_refused(bundle):
    encoder = Encoder.load(bundle.path)
    _encode(encoder)
    data = pickle.dumps(encoder)
    write_tiny_bundle(bundle.path, bits=(32, 64), seed=1)
    with pytest.raises(BundleError, match=r"text\.onnx was changed after the bundle was loaded.*load the bundle again"):
        _encode(pickle.loads(data))
    shutil.rmtree(bundle.path)
    with pytest.raises(BundleError, match="is missing"):
        _encode(pickle.loads(data))


def test_a_provider_that_the_other_side_lacks_is_named(bundle):
    encoder = Encoder.load(bundle.path)
    encoder.providers = ("CUDAExecutionProvider",)  # as it comes from a machine that has one
    with pytest.raises(ProviderError, match="no provider 'CUDAExecutionProvider' here"):
        _encode(pickle.loads(pickle.dumps(encoder)))


def test_threads_share_an_encoder_from_the_start(bundle):
    encoder = Encoder.load(bundle.path, threads=1)
    pictures = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    expected = _encode(Encoder.load(bundle.path)), Encoder.load(bundle.path).encode_images(pictures)

    def both(_):
        return _encode(encoder), encoder.encode_images(pictures)

    with ThreadPoolExecutor(8) as pool:
        for texts, images in pool.map(both, range(32)):
            assert np.array_equal(texts, expected[0])
            assert np.array_equal(images, expected[1])


def test_pickles_stay_small(bundle):
    encoder = Encoder.load(bundle.path)
    _encode(encoder)
    assert len(pickle.dumps(encoder)) < 10_000
