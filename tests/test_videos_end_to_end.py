"""A folder of clips through the command line: ingest, text into video, video into text, video into video."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from clips import animation, film
from tiny_model import COLOURS

from milvus_hash.cli import main
from milvus_hash.collection import HashCollection

FILMS = {"red": "mp4", "green": "mkv", "blue": "webm", "yellow": "mov", "white": "avi"}
CODECS = {"webm": "libvpx", "mkv": "ffv1"}


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clip for each colour with the colour as its text, one that is broken, and one that was to be a picture."""
    folder = tmp_path_factory.mktemp("films")
    for name, suffix in FILMS.items():
        path = folder / "films" / f"{name}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        film(path, [COLOURS[name]] * 10, [50] * 10, codec=CODECS.get(suffix, "mpeg4"))
        path.with_suffix(".txt").write_text(name)
    (folder / "broken.mp4").write_bytes((folder / "films" / "red.mp4").read_bytes()[:500])
    (folder / "still.gif").write_bytes(animation([(0, 0, 0)] * 2, [100, 100], "GIF"))
    return folder


@pytest.fixture(params=["lite_uri", "server_uri"], ids=["lite", "server"])
def filled(request, folder, video_encoder, tmp_path):
    """What every command needs to know of a collection that holds the folder."""
    where = ["--bundle", video_encoder.bundle.path, "--uri", request.getfixturevalue(request.param), "-c", "films"]
    run("ingest", folder, *where, "--rejects", tmp_path / "rejects.jsonl", "-q", code=3)
    (reject,) = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert (reject["id"], reject["path"]) == ("broken.mp4", str(folder / "broken.mp4"))
    yield where
    with HashCollection.open("films", video_encoder, uri=where[3]) as collection:
        collection.drop()


def hits(*words: object) -> list[dict]:
    return [json.loads(line) for line in run("search", *words, "-q").splitlines()]


def test_clips_are_found_by_words_and_words_by_clips(filled, folder, video_encoder, tmp_path):
    with HashCollection.open("films", video_encoder, uri=filled[3]) as collection:
        counts = {modality: collection.count(modality) for modality in ("video", "text", "image")}
    assert counts == {"video": len(FILMS), "text": len(FILMS), "image": 1}
    sheet = tmp_path / "sheet.html"
    for name, suffix in FILMS.items():
        path = folder / "films" / f"{name}.{suffix}"
        (first, *_) = hits(*filled, "--text", name, "--into", "video", "--sheet", sheet, "--pictures", folder)
        assert (first["item"], first["modality"], first["fields"]["path"]) == (f"films/{path.name}", "video", str(path))
        assert first["distance"] <= 2
        (first, *_) = hits(*filled, "--video", path, "--into", "text")
        assert first["query"] == {"video": str(path)}
        assert (first["modality"], first["fields"]["text"]) == ("text", name)
        (first, *_) = hits(*filled, "-v", path, "--into", "video", "-n", 1)
        assert (first["item"], first["distance"]) == (f"films/{path.name}", 0)
    assert sheet.read_text().count("data:image/webp;base64,") == len(FILMS)
    found = run("doctor", *filled)
    assert "image and text and video" in found
    assert f"1 image, {len(FILMS)} video, {len(FILMS)} text" in found
    assert "video yes" in found


def test_a_question_that_is_no_clip_is_one_line(filled, folder):
    result = CliRunner().invoke(main, ["search", *map(str, filled), "--video", str(folder / "films" / "red.txt")])
    assert result.exit_code == 1
    assert "red.txt is not a video that can be read" in result.stderr
    assert result.stderr.count("\n") == 1
