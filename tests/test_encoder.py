"""The encoder on a real onnxruntime: order, bad neighbours, bounds, providers."""

import json
import warnings
from itertools import islice

import numpy as np
import onnxruntime
import pytest
from clips import DURATIONS, animation, film
from PIL import Image
from tiny_model import COLOURS, FRAMES

from milvus_hash import codes
from milvus_hash.bundle import read_bundle
from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleError, InputError, MissingExtra, ProviderError


@pytest.fixture
def encoder(tiny_bundle):
    return Encoder.load(tiny_bundle, batch_size=4)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(50):
        size = int(rng.integers(4, 200))  # decoding takes unequal times
        paths.append(folder / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def test_codes_are_the_packed_signs_of_the_logits(encoder, pictures):
    for modality, sources in (("image", pictures), ("text", ["red", "a flower", "blue bus", "x"])):
        out = encoder.encode(modality, sources)
        assert out.codes.dtype == np.uint8
        assert out.codes.shape == (len(sources), encoder.bits // 8)
        assert np.array_equal(out.codes, codes.pack(out.logits))


def test_order_and_batching_do_not_matter(encoder, pictures, tiny_bundle):
    together = encoder.encode_images(pictures)
    alone = np.concatenate([encoder.encode_images([p]) for p in pictures])
    other = Encoder.load(tiny_bundle, batch_size=7, threads=1).encode_images(pictures[::-1])[::-1]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, other)


def test_bad_pictures_keep_their_own_places(encoder, pictures, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    items = [(str(p), p) for p in pictures[:9]]
    for position in (9, 5, 4, 0):
        items.insert(position, (f"bad-{position}", tmp_path / "broken.png"))
    rows = list(encoder.stream("image", iter(items)))
    assert [row.key for row in rows] == [key for key, _ in items]
    for row in rows:
        if row.key.startswith("bad"):
            assert row.code is None
            assert "not a picture" in str(row.error)
        else:
            assert row.error is None
            assert np.array_equal(row.code, encoder.encode_images([row.key])[0])


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Animations and films in turn, all different."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(10):
        colours = rng.integers(0, 256, (5, 3)).tolist()
        if number % 2:
            paths.append(film(folder / f"{number}.mp4", colours, DURATIONS))
        else:
            paths.append(folder / f"{number}.webp")
            paths[-1].write_bytes(animation([tuple(colour) for colour in colours], DURATIONS, "WEBP"))
    return paths


def test_clips_get_codes_in_their_order(video_encoder, clips):
    together = video_encoder.encode("video", clips)
    assert together.codes.shape == (10, video_encoder.bits // 8)
    assert np.array_equal(together.codes, codes.pack(together.logits))
    assert len(np.unique(together.codes, axis=0)) == 10
    assert np.array_equal(video_encoder.encode_videos(clips), together.codes)
    contents = [path.read_bytes() for path in clips]
    assert np.array_equal(video_encoder.encode_videos(contents[::-1])[::-1], together.codes)
    assert np.array_equal(video_encoder.encode_videos(clips, bits=32), codes.prefix(together.codes, 32))
    for batch_size in (1, 3, 64):
        other = Encoder.load(video_encoder.bundle.path, batch_size=batch_size, threads=1)
        assert np.array_equal(other.encode_videos(clips), together.codes)


def test_a_clip_of_one_colour_has_the_code_of_its_picture_and_its_name(video_encoder, tmp_path):
    for name, colour in COLOURS.items():
        path = film(tmp_path / f"{name}.mkv", [colour] * 3, [100] * 3, codec="ffv1")
        picture = video_encoder.encode_images([Image.new("RGB", (9, 9), colour)])
        clip = video_encoder.encode_videos([path])
        assert codes.hamming(clip, picture)[0, 0] <= 2  # a film's colours are a little off
        assert np.array_equal(picture, video_encoder.encode_texts([name]))


def test_bad_clips_keep_their_own_places(video_encoder, clips, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(clips[1].read_bytes()[:300])
    items = [(path.name, path) for path in clips]
    for position in (10, 7, 3, 2, 0):
        items.insert(position, (f"bad-{position}", tmp_path / "cut.mp4"))
    rows = list(video_encoder.stream("video", iter(items)))
    assert [row.key for row in rows] == [key for key, _ in items]
    good = [row for row in rows if row.error is None]
    assert all("cut.mp4" in str(row.error) for row in rows if row.key.startswith("bad"))
    assert [row.key for row in good] == [path.name for path in clips]
    assert np.array_equal(np.stack([row.code for row in good]), video_encoder.encode_videos(clips))


def test_clips_are_read_ahead_by_their_frames(video_encoder, clips):
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield asked, clips[asked % 2]

    encoder = Encoder.load(video_encoder.bundle.path, batch_size=3 * FRAMES, threads=1)
    rows = encoder.stream("video", endless())
    assert [row.key for row in islice(rows, 6)] == list(range(1, 7))
    assert asked <= 6 + 4 * 3
    rows.close()


def test_without_pyav_a_film_stops_everything_with_the_pip_line(video_encoder, clips, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtra, match=r"pip install 'milvus-hash\[video\]'"):
        list(video_encoder.stream("video", enumerate(clips)))
    assert video_encoder.encode_videos(clips[::2]).shape == (5, 8)


def test_a_batch_of_bad_inputs_only(encoder):
    rows = list(encoder.stream("text", enumerate(["", b"\xff", None, " "])))
    assert [row.code for row in rows] == [None] * 4


def test_nested_codes_are_prefixes(encoder, pictures):
    full = encoder.encode("image", pictures)
    for bits in encoder.bundle.bits:
        part = encoder.encode("image", pictures, bits=bits)
        assert np.array_equal(part.codes, codes.prefix(full.codes, bits))
        assert np.array_equal(part.logits, full.logits[:, :bits])
    with pytest.raises(InputError, match="it lists"):
        encoder.encode_texts(["a"], bits=7)


def test_stream_reads_ahead_by_a_few_batches_only(encoder, pictures):
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield asked, pictures[asked % 50]

    rows = encoder.stream("image", endless())
    assert [row.key for row in islice(rows, 20)] == list(range(1, 21))
    assert asked <= 20 + 4 * encoder.batch_size
    rows.close()


def test_first_bad_input_is_named(encoder, pictures):
    with pytest.raises(InputError, match=r"image 1: .*missing\.png does not exist"):
        encoder.encode_images([pictures[0], "missing.png"])
    with pytest.raises(InputError, match="text 2: the text is empty"):
        encoder.encode_texts(["a", "b", ""])
    with pytest.raises(InputError, match="a list of texts is needed"):
        encoder.encode_texts("a red flower")


def test_nothing_in_nothing_out(encoder):
    assert encoder.encode_texts([]).shape == (0, encoder.bits // 8)
    assert list(encoder.stream("image", [])) == []


def test_unknown_modality(encoder):
    with pytest.raises(InputError, match="cannot encode 'audio'; it has image, text"):
        encoder.stream("audio", [])


def test_provider_names_and_absence(tiny_bundle):
    assert Encoder.load(tiny_bundle, providers=["cpu"]).providers == ("CPUExecutionProvider",)
    assert Encoder.load(tiny_bundle, providers=["CPUExecutionProvider"]).providers == ("CPUExecutionProvider",)
    with pytest.raises(ProviderError, match=r"no provider 'TensorrtExecutionProvider' here; available: .*CPUExec"):
        Encoder.load(tiny_bundle, providers=["TensorrtExecutionProvider"])


def test_silent_fallback_is_a_warning(tiny_bundle, monkeypatch):
    # A provider that is built in but cannot start needs a GPU machine with broken libraries: a fake stands in.
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, options, providers: real(path, options))
    with pytest.warns(RuntimeWarning, match=r"CUDAExecutionProvider could not start.*fell back to"):
        Encoder.load(tiny_bundle, providers=["cuda"]).encode_texts(["a"])


def test_without_onnxruntime_the_extra_is_named(tiny_bundle, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'milvus-hash\[cpu\]'"):
        Encoder.load(tiny_bundle)


def test_graph_of_another_shape_is_a_bundle_error(tiny_bundle, tmp_path):
    """A bundle whose image graph is its text graph: every checksum fits, but the graph is not what is needed."""
    from dataclasses import replace

    from milvus_hash.bundle import write_bundle

    bundle = read_bundle(tiny_bundle)
    text = bundle.modalities["text"]
    wrong = {"image": replace(bundle.modalities["image"], graph=text.graph), "text": text}
    files = {p.name: p for p in bundle.path.iterdir()}
    write_bundle(
        tmp_path / "b", name="wrong", method="none", bits=bundle.bits, modalities=wrong, files=files,
        licence="", trained_on="",
    )  # fmt: skip
    with pytest.raises(BundleError, match=r"\['image'\] and \['code', 'logits'\] are needed"):
        Encoder.load(tmp_path / "b").encode_images([Image.new("RGB", (9, 9))])


def test_graph_that_is_no_graph_is_a_bundle_error(tiny_bundle, tmp_path):
    from milvus_hash.bundle import write_bundle

    bundle = read_bundle(tiny_bundle)
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    files = {p.name: p for p in bundle.path.iterdir()}
    files[bundle.modalities["image"].graph] = tmp_path / "noise.onnx"
    write_bundle(
        tmp_path / "b", name="noise", method="none", bits=bundle.bits, modalities=bundle.modalities, files=files,
        licence="", trained_on="",
    )  # fmt: skip
    with pytest.raises(BundleError, match=r"image\.onnx is not an ONNX graph"):
        Encoder.load(tmp_path / "b").encode_images([Image.new("RGB", (9, 9))])


LONG = "a red flower and a blue bus with the cat"  # ten words; the tiny bundle reads eight


def test_texts_that_are_cut_are_said_by_row_and_once_by_a_warning(encoder):
    rows = list(encoder.stream("text", enumerate(["red", LONG, "", "blue", LONG])))
    assert [row.key for row in rows if row.cut] == [1, 4]
    with pytest.warns(RuntimeWarning, match="longer than the 8 tokens that bundle tiny reads") as said:
        assert encoder.encode("text", ["red", LONG, "blue", "red", "red", LONG]).cut == {1, 5}
    assert len(said) == 1
    assert encoder.encode("text", ["red", " ".join(LONG.split()[:8])]).cut == set()
    assert encoder.encode("image", [Image.new("RGB", (9, 9))]).cut == set()


def test_a_question_that_is_cut_is_said(encoder):
    with pytest.warns(RuntimeWarning, match="only its beginning counts"):
        encoder.query(text=["red", (LONG, -0.5)])


def test_loading_is_silent(tiny_bundle, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Encoder.load(tiny_bundle).encode_texts(["a red flower"])
    assert capfd.readouterr() == ("", "")


def test_fingerprint_is_the_bundles(encoder, tiny_bundle):
    assert encoder.fingerprint == json.loads((tiny_bundle / "bundle.json").read_text())["fingerprint"]
