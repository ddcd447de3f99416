"""What tests of media share."""

import os
import subprocess

import pytest
from PIL import Image


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A stand-in for Ghostscript: calling it leaves the file that this gives, which Pillow's own opening must do."""
    started = tmp_path / "started"
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\ntouch {started}\nexit 1\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    Image.new("L", (9, 9)).save(tmp_path / "real.eps")
    with Image.open(tmp_path / "real.eps") as picture, pytest.raises(subprocess.CalledProcessError):
        picture.load()
    started.unlink()
    return started
