"""What bundle.json may not say: whatever it holds, only BundleError comes out."""

import json
import os
import pickle

import pytest

from milvus_hash.bundle import MANIFEST, ImageInput, TextInput, VectorInput, VideoInput, read_bundle
from milvus_hash.bundle.index import fingerprint_of, parse_index
from milvus_hash.errors import BundleError, InputError


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    """A copy of the tiny bundle; ``copy(change)`` changes its bundle.json and gives the folder."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in tiny_bundle.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    data = json.loads((folder / MANIFEST).read_text())

    def edit(change):
        change(data)
        (folder / MANIFEST).write_text(json.dumps(data))
        return folder

    return edit


def _at(*path, value):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


WRONG = [None, True, 1, 1.5, -1, "x", "", [], {}, [None], {"a": 1}, float("nan"), 10**30, "\ud800", [[]], "\x1b[2J"]
PLACES = [
    ("format_version",),
    ("name",),
    ("method",),
    ("bits",),
    ("bits", 0),
    ("modalities",),
    ("modalities", "image"),
    ("modalities", "image", "graph"),
    ("modalities", "image", "input"),
    ("modalities", "image", "input", "size"),
    ("modalities", "image", "input", "resize"),
    ("modalities", "image", "input", "depth"),
    ("modalities", "text", "input", "length"),
    ("modalities", "text", "input", "tokenizer"),
    ("modalities", "audio"),
    ("fingerprint",),
    ("sha256",),
    ("sha256", "image.onnx"),
    ("licence",),
    ("trained_on",),
    ("metrics",),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_wrong_values_are_bundle_errors_or_do_not_matter(copy, tiny_bundle, place):
    fingerprint = read_bundle(tiny_bundle).fingerprint
    for value in WRONG:
        folder = copy(_at(*place, value=value))
        try:
            bundle = read_bundle(folder)
        except BundleError:
            continue
        assert place[0] in ("name", "method", "licence", "trained_on", "metrics", "format_version")
        assert bundle.fingerprint == fingerprint
        pickle.dumps(bundle)
        str(bundle).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"\xff\xfe{\x00}\x00", "utf-8", id="utf-16"),
        pytest.param(b"[" * 100_000, "is damaged", id="deep-lists"),
        pytest.param(b'{"a":' * 100_000, "is damaged", id="deep-objects"),
        pytest.param(b'{"metrics": ' + b"[" * 500 + b"]" * 500 + b"}", "nested deeper", id="deeper-than-figures"),
        pytest.param(b'{"format_version": 1, "format_version": 1}', "comes twice", id="key-twice"),
        pytest.param(b'{"metrics": {"a": 1, "a": 2}}', "comes twice", id="key-twice-inside"),
        pytest.param(b'{"format_version": ' + b"9" * 5000 + b"}", "is damaged", id="number-of-5000-digits"),
        pytest.param(b'{"name": "\\ud800"}', "surrogates", id="half-a-character"),
        pytest.param(b"1", "not a JSON object", id="number"),
        pytest.param(b"", "0 bytes", id="empty"),
        pytest.param(b" " * (5 << 20), "bytes", id="5-MB"),
        pytest.param(b"\0" * 1000, "is damaged", id="zeros"),
    ],
)
def test_odd_files_are_refused(tmp_path, content, reason):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=reason):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("../image.onnx", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "C:x", ".hidden", "a\0b", "a\nb", "x" * 300),
        *(MANIFEST, None, 1, ["image.onnx"]),
    ],
)
def test_names_that_lead_elsewhere_are_refused(copy, name):
    def change(data):
        data["modalities"]["image"]["graph"] = name

    with pytest.raises(BundleError, match="lead out of the bundle"):
        read_bundle(copy(change))


def _sized(name, size):
    def make(folder):
        with (folder / name).open("wb") as stream:
            stream.truncate(size)

    return make


def _linked(name, target):
    def make(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return make


def _special(name, make_special):
    def make(folder):
        (folder / name).unlink()
        make_special(folder / name)

    return make


@pytest.mark.parametrize("name", [MANIFEST, "image.onnx", "tokenizer.json"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda name: _sized(name, 3 << 30), id="3-GB"),
        pytest.param(lambda name: _sized(name, 0), id="empty"),
        pytest.param(lambda name: _linked(name, "/dev/zero"), id="device"),
        pytest.param(lambda name: _linked(name, "/etc/passwd"), id="other-file"),
        pytest.param(lambda name: _linked(name, "/proc/self/environ"), id="environment"),
        pytest.param(lambda name: _linked(name, name), id="link-to-itself"),
        pytest.param(lambda name: _special(name, os.mkfifo), id="fifo"),
        pytest.param(lambda name: _special(name, os.mkdir), id="folder"),
    ],
)
def test_files_that_are_none_are_refused(copy, name, spoil):
    folder = copy(lambda data: None)
    spoil(name)(folder)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        read_bundle(folder)


def test_links_to_the_same_content_are_read(copy, tmp_path):
    """As in the caches of model hubs: the name leads to a file by its hash."""
    folder = copy(lambda data: None)
    (folder / "image.onnx").rename(tmp_path / "blob")
    (folder / "image.onnx").symlink_to(tmp_path / "blob")
    assert read_bundle(folder).read("image.onnx") == (tmp_path / "blob").read_bytes()


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 5000, "/dev/null", "/proc/self/mem"])
def test_paths_that_cannot_be_are_refused(path):
    with pytest.raises(BundleError):
        read_bundle(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ImageInput(size=10**9),
        lambda: ImageInput(resize="stretch"),
        lambda: VideoInput(frames=0),
        lambda: VideoInput(size=4096, frames=1024),
        lambda: TextInput(length=10**12),
        lambda: VectorInput(True),
        lambda: VectorInput(float("nan")),
    ],
)
def test_inputs_that_no_network_has_are_refused(make):
    with pytest.raises(InputError, match=r"is needed|are possible|may be"):
        make()


def test_a_signed_bundle_of_the_wrong_sizes_is_refused(copy):
    """The fingerprint is right for what is written: the numbers themselves are checked."""
    for entry, reason in (({"size": 10**9}, "size is 1000000000"), ({"resize": ["pad"]}, "resize is")):

        def change(data, entry=entry):
            data["modalities"]["image"]["input"] = entry

        with pytest.raises(BundleError, match=reason):
            read_bundle(copy(change))


def test_parse_index_needs_the_fingerprint_of_its_contents(copy):
    folder = copy(lambda data: None)
    data = json.loads((folder / MANIFEST).read_text())
    fields = parse_index(data)
    assert fields["fingerprint"] == fingerprint_of(fields["bits"], fields["modalities"], fields["sha256"])
    with pytest.raises(InputError, match="fingerprint does not fit"):
        parse_index({**data, "fingerprint": "0" * 64})
