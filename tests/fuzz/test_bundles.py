"""Bundles with anything changed in them: only MilvusHashError comes out, and codes are right or refused.

What is changed is signed again, as somebody who means harm would do.
"""

import copy
import json
import shutil
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from vector_graphs import WIDTH, honest, write_vectors

from milvus_hash.bundle import MANIFEST, Modality, read_bundle
from milvus_hash.bundle.files import sha256_of
from milvus_hash.bundle.index import fingerprint_of
from milvus_hash.bundle.inputs import INPUTS
from milvus_hash.codes import pack
from milvus_hash.encoder import Encoder
from milvus_hash.errors import MilvusHashError

BUDGET = settings(settings.get_profile("fuzz"))
SOURCES = {
    "image": [Image.new("RGB", (9, 9), colour) for colour in ("red", "black")],
    "text": ["a red flower", "the blue bus and " * 20, "\N{FAMILY}é"],
    "vector": list(np.random.default_rng(0).standard_normal((3, WIDTH)).astype(np.float32)),
}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["..", "a/b", "pad"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@st.composite
def spoilt_bytes(draw, data):
    """``data`` with a few bytes changed, left out, repeated or put in, mostly near the beginning and the end."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)) | st.integers(0, min(200, len(data))))
        length = draw(st.integers(0, 20))
        other = draw(st.binary(max_size=20) | st.just(bytes(data[place : place + length]) * 2))
        data[place : place + length] = other
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data)


@st.composite
def spoilt_json(draw, data):
    """``data``, a JSON object, with a value somewhere in it replaced, left out or put in."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 2))):
        at = data
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys[:50]))
            if isinstance(at[key], (dict, list)) and at[key] and draw(st.integers(0, 5)):
                at = at[key]
                continue
            if draw(st.booleans()):
                at[key] = draw(values)
            elif isinstance(at, dict):
                at[draw(st.text(max_size=5))] = at.pop(key)
            else:
                at.insert(key, draw(values))
            break
    return data


@pytest.fixture(scope="module")
def folders(tiny_bundle, tmp_path_factory):
    """Two folders to spoil: the tiny bundle and one of vectors."""
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(tiny_bundle, folder / "tiny")
    write_vectors(folder / "vectors", honest())
    return folder


def _sign(folder, data):
    """Write ``data`` as bundle.json with hashes and fingerprint that fit, as far as that can be."""
    with suppress(Exception):
        data["sha256"] |= {name: sha256_of(folder / name) for name in data["sha256"]}
        inputs = {name: INPUTS[name](**entry["input"]) for name, entry in data["modalities"].items()}
        modalities = {name: Modality(data["modalities"][name]["graph"], target) for name, target in inputs.items()}
        data["fingerprint"] = fingerprint_of(data["bits"], modalities, data["sha256"])
    (folder / MANIFEST).write_text(json.dumps(data))


def _codes_are_right_or_refused(folder):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a text is longer")
        try:
            encoder = Encoder.load(folder, threads=1)
        except MilvusHashError:
            return
        for modality in encoder.modalities:
            with suppress(MilvusHashError):
                found = encoder.encode(modality, SOURCES[modality])
                assert found.codes.dtype == np.uint8
                assert found.logits.shape == (len(SOURCES[modality]), encoder.bits)
                assert np.isfinite(found.logits).all()
                assert np.array_equal(found.codes, pack(found.logits))


@BUDGET
@given(data=st.data())
def test_index(folders, data):
    folder = folders / "tiny"
    before = (folder / MANIFEST).read_bytes()
    try:
        if data.draw(st.booleans()):
            _sign(folder, data.draw(spoilt_json(json.loads(before))))
        else:
            (folder / MANIFEST).write_bytes(data.draw(spoilt_bytes(before)))
        _codes_are_right_or_refused(folder)
    finally:
        (folder / MANIFEST).write_bytes(before)


@BUDGET
@given(data=st.data())
@pytest.mark.parametrize(("bundle", "graph"), [("vectors", "vector.onnx"), ("tiny", "text.onnx")])
def test_graph(folders, bundle, graph, data):
    _spoil(folders / bundle, graph, lambda before: data.draw(spoilt_bytes(before)))


@BUDGET
@given(data=st.data())
def test_tokenizer(folders, data):
    def spoil(before):
        if data.draw(st.booleans()):
            return data.draw(spoilt_bytes(before))
        return json.dumps(data.draw(spoilt_json(json.loads(before)))).encode()

    _spoil(folders / "tiny", "tokenizer.json", spoil)


def _spoil(folder, name, spoil):
    before = {file: (folder / file).read_bytes() for file in (name, MANIFEST)}
    try:
        (folder / name).write_bytes(spoil(before[name]))
        _sign(folder, json.loads(before[MANIFEST]))
        _codes_are_right_or_refused(folder)
    finally:
        for file, content in before.items():
            (folder / file).write_bytes(content)


def test_what_is_not_spoilt_is_read(folders):
    """That the other tests can fail at all: signing by hand gives the bundle back."""
    for folder in folders.iterdir():
        _sign(folder, json.loads((folder / MANIFEST).read_bytes()))
        assert read_bundle(folder).fingerprint
        _codes_are_right_or_refused(folder)
