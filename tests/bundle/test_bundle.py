"""Bundles: written in one step, verified on reading, refused by name when something is wrong."""

import json

import pytest

from milvus_hash.bundle import MANIFEST, ImageInput, Modality, TextInput, VideoInput, read_bundle, write_bundle
from milvus_hash.errors import BundleError


@pytest.fixture
def parts(tmp_path):
    files = {"image.onnx": b"image graph", "text.onnx": b"text graph", "tokenizer.json": b"{}"}
    sources = {}
    for name, data in files.items():
        sources[name] = tmp_path / f"source-{name}"
        sources[name].write_bytes(data)
    return {
        "name": "tiny",
        "method": "dsmhn",
        "bits": [16, 64],
        "modalities": {
            "image": Modality("image.onnx", ImageInput(size=32, resize="pad")),
            "text": Modality("text.onnx", TextInput(length=12)),
        },
        "files": sources,
        "licence": "Apache-2.0",
        "trained_on": "nothing",
        "metrics": {"map": 0.5},
    }


def test_written_bundle_reads_back_equal(parts, tmp_path):
    written = write_bundle(tmp_path / "b", **parts)
    assert read_bundle(tmp_path / "b") == written
    assert written.bits == (16, 64)
    assert written.modalities == parts["modalities"]
    assert written.metrics == {"map": 0.5}
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == sorted([MANIFEST, *parts["files"]])


def test_fingerprint_depends_on_what_decides_a_code_and_on_nothing_else(parts, tmp_path):
    first = write_bundle(tmp_path / "a", **parts).fingerprint
    renamed = write_bundle(tmp_path / "b", **{**parts, "name": "other", "metrics": {}, "bits": [32, 64]}).fingerprint
    assert renamed == first
    resized = {**parts["modalities"], "image": Modality("image.onnx", ImageInput(size=33, resize="pad"))}
    assert write_bundle(tmp_path / "c", **{**parts, "modalities": resized}).fingerprint != first
    parts["files"]["text.onnx"].write_bytes(b"text grapi")
    assert write_bundle(tmp_path / "d", **parts).fingerprint != first


def test_video_input_is_kept_and_decides_the_fingerprint(parts, tmp_path):
    parts["files"]["video.onnx"] = parts["files"]["image.onnx"]
    prints = set()
    targets = [VideoInput(), VideoInput(frames=16), VideoInput(size=64), VideoInput(resize="pad")]
    for number, target in enumerate(targets):
        modalities = {**parts["modalities"], "video": Modality("video.onnx", target)}
        bundle = write_bundle(tmp_path / str(number), **{**parts, "modalities": modalities})
        assert read_bundle(tmp_path / str(number)).modalities["video"].input == target
        prints.add(bundle.fingerprint)
    assert len(prints) == 4
    stored = json.loads((tmp_path / "0" / MANIFEST).read_text())["modalities"]["video"]
    assert stored == {"graph": "video.onnx", "input": {"size": 112, "resize": "squash", "frames": 8}}


def test_a_bundle_of_the_first_release_is_still_read(parts, tmp_path):
    """Written before there was video: same format, same fingerprint."""
    fingerprint = write_bundle(tmp_path / "b", **parts).fingerprint
    assert fingerprint == "0fe0a2315c7a999f39f3cd849d0d49a35fe590ed35bd3298929e8a970e5b805a"


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "tokenizer.json"])
def test_changed_byte_is_refused_by_name(parts, tmp_path, name):
    write_bundle(tmp_path / "b", **parts)
    file = tmp_path / "b" / name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} was changed"):
        read_bundle(tmp_path / "b")


def test_missing_file_is_refused_by_name(parts, tmp_path):
    write_bundle(tmp_path / "b", **parts)
    (tmp_path / "b" / "text.onnx").unlink()
    with pytest.raises(BundleError, match=r"text\.onnx is missing"):
        read_bundle(tmp_path / "b")


def test_edited_preprocessing_is_refused(parts, tmp_path):
    write_bundle(tmp_path / "b", **parts)
    manifest = tmp_path / "b" / MANIFEST
    data = json.loads(manifest.read_text())
    data["modalities"]["image"]["input"]["size"] = 64
    manifest.write_text(json.dumps(data))
    with pytest.raises(BundleError, match="fingerprint does not fit"):
        read_bundle(tmp_path / "b")


def test_newer_format_is_refused(parts, tmp_path):
    write_bundle(tmp_path / "b", **parts)
    manifest = tmp_path / "b" / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format_version": 99}))
    with pytest.raises(BundleError, match="format 99 cannot be read"):
        read_bundle(tmp_path / "b")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format_version": 1}', '{"format_version": 1, "bits": 3}'])
def test_damaged_manifest_is_a_bundle_error(parts, tmp_path, content):
    write_bundle(tmp_path / "b", **parts)
    (tmp_path / "b" / MANIFEST).write_text(content)
    with pytest.raises(BundleError):
        read_bundle(tmp_path / "b")


def test_folder_without_manifest_is_not_a_bundle(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BundleError, match="is not a bundle"):
            read_bundle(folder)


def test_file_outside_the_folder_is_refused(parts, tmp_path):
    parts["modalities"]["image"] = Modality("../image.onnx", ImageInput())
    with pytest.raises(BundleError, match="lead out of the bundle"):
        write_bundle(tmp_path / "b", **parts)


def test_other_folders_are_not_overwritten_and_bundles_are(parts, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("...")
    with pytest.raises(BundleError, match="is not a bundle"):
        write_bundle(tmp_path / "precious", **parts)
    write_bundle(tmp_path / "b", **parts)
    assert write_bundle(tmp_path / "b", **{**parts, "name": "second"}).name == "second"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("bits", [[], [12], [64, 16], [16, 16], [0]])
def test_odd_lengths_are_refused(parts, tmp_path, bits):
    with pytest.raises(BundleError, match="multiples of 8"):
        write_bundle(tmp_path / "b", **{**parts, "bits": bits})
