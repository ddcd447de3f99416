"""Whatever fails while a bundle is written, and wherever the process is killed: the old or the new one is there."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tiny_model import write_tiny_bundle

from milvus_hash.bundle import read_bundle, swap, write_bundle
from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleError


@pytest.fixture(params=["at-once", "one-after-the-other"])
def way(request, monkeypatch):
    """Both ways of putting a folder in place; the second is that of systems without an exchange of names."""
    if request.param == "one-after-the-other":
        monkeypatch.setattr(swap, "_exchange", lambda fresh, target: False)
    return request.param


def _left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_bundle_takes_the_place_of_another(tmp_path, way):
    old = write_tiny_bundle(tmp_path / "b", seed=0)
    new = write_tiny_bundle(tmp_path / "b", seed=1)
    assert new.fingerprint != old.fingerprint
    assert read_bundle(tmp_path / "b") == new
    assert _left(tmp_path) == ["b"]


def test_a_bundle_takes_the_place_of_an_empty_folder(tmp_path, way):
    (tmp_path / "b").mkdir()
    bundle = write_tiny_bundle(tmp_path / "b")
    assert read_bundle(tmp_path / "b") == bundle
    assert _left(tmp_path) == ["b"]


def test_a_link_to_a_bundle_stays_a_link(tmp_path, way):
    write_tiny_bundle(tmp_path / "real", seed=0)
    (tmp_path / "b").symlink_to("real")
    new = write_tiny_bundle(tmp_path / "b", seed=1)
    assert (tmp_path / "b").is_symlink()
    assert read_bundle(tmp_path / "real").fingerprint == new.fingerprint


def test_the_old_bundle_stays_when_the_last_step_fails(tmp_path, monkeypatch):
    """A full disk at this very step cannot be had: the renaming itself fails here."""
    old = write_tiny_bundle(tmp_path / "b", seed=0)
    monkeypatch.setattr(swap, "_exchange", lambda fresh, target: False)
    rename = Path.rename

    def fails(self, target):
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="No space left"):
        write_tiny_bundle(tmp_path / "b", seed=1)
    assert read_bundle(tmp_path / "b") == old
    assert _left(tmp_path) == ["b"]


def test_the_old_bundle_is_not_deleted_when_it_cannot_come_back(tmp_path, monkeypatch):
    """Somebody put something else in its place meanwhile."""
    old = write_tiny_bundle(tmp_path / "b", seed=0)
    monkeypatch.setattr(swap, "_exchange", lambda fresh, target: False)
    rename = Path.rename

    def intrudes(self, target):
        if self.name == "new":
            (Path(target) / "other").mkdir(parents=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", intrudes)
    with pytest.raises(OSError, match="not empty"):
        write_tiny_bundle(tmp_path / "b", seed=1)
    (aside,) = tmp_path.glob(".b.old-*")
    assert read_bundle(aside / "b").fingerprint == old.fingerprint


@pytest.mark.parametrize("spoilt", ["missing", "not-a-bundle-to-be"])
def test_the_old_bundle_stays_when_the_new_one_is_none(tmp_path, tiny_bundle, spoilt):
    old = write_tiny_bundle(tmp_path / "b", seed=0)
    bundle = read_bundle(tiny_bundle)
    files = {file.name: file for file in tiny_bundle.iterdir()}
    if spoilt == "missing":
        files["image.onnx"] = tmp_path / "absent.onnx"
    else:
        (tmp_path / "empty.onnx").touch()
        files["image.onnx"] = tmp_path / "empty.onnx"
    with pytest.raises((FileNotFoundError, BundleError)):
        write_bundle(
            tmp_path / "b", name="new", method="", bits=bundle.bits, modalities=bundle.modalities, files=files,
            licence="", trained_on="",
        )  # fmt: skip
    assert read_bundle(tmp_path / "b") == old
    assert [name for name in _left(tmp_path) if name.startswith(".")] == []


@pytest.mark.skipif(sys.platform != "linux", reason="two folders change their names at once on Linux only")
def test_a_killed_writer_leaves_one_of_the_two(tmp_path):
    """A process that writes one bundle over another again and again is killed at any moment, ten times."""
    prints = {write_tiny_bundle(tmp_path / "b", seed=seed).fingerprint for seed in (0, 1)}
    code = f"""
        import itertools, sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from tiny_model import write_tiny_bundle
        for seed in itertools.count():
            write_tiny_bundle({str(tmp_path / "b")!r}, seed=seed % 2)
            print(seed, flush=True)
    """
    for round_ in range(10):
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(0.003 * round_)
            os.kill(writer.pid, signal.SIGKILL)
        assert read_bundle(tmp_path / "b").fingerprint in prints


def test_an_encoder_goes_on_with_the_graphs_that_it_opened(tmp_path):
    write_tiny_bundle(tmp_path / "b", seed=0)
    encoder = Encoder.load(tmp_path / "b")
    code = encoder.encode_texts(["red flower"])
    write_tiny_bundle(tmp_path / "b", seed=1)
    assert (encoder.encode_texts(["red flower"]) == code).all()
    with pytest.raises(BundleError, match=r"image\.onnx was changed after the bundle was loaded"):
        encoder.encode_images([b""])
