"""A sidecar: made beside its source, which stays as it was, and refused where it does not belong."""

from __future__ import annotations

import numpy as np
import pytest
from float_collection import clustered, float_collection
from which_lite import only_lite_2

from milvus_hash.adopt import AdoptedCollection, Changes, adopt, sync
from milvus_hash.adopt.learn import learn, write_vector_bundle
from milvus_hash.collection import HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleError, BundleMismatch, InputError, StoreError


def test_every_row_gets_its_code_and_the_source_stays_as_it_was(floats, tmp_path):
    before = floats.stored()
    done = []
    bundle = tmp_path / "bundle"
    changes = adopt(
        floats.name,
        "vector",
        collection=floats.codes,
        bundle_path=bundle,
        bits=32,
        fields=["price", "name"],
        uri=floats.uri,
        progress=done.append,
    )
    assert changes == Changes(added=600)
    assert sum(done) == 600
    assert floats.stored() == before
    codes = Encoder.load(bundle, threads=1).encode_vectors(clustered(600))
    expected = {10 * n + 10: (codes[n].tobytes(), n, f"n{n}") for n in range(600)}
    assert floats.stored_codes("price", "name") == expected


def test_text_keys_travel_as_they_are(backend, vector_bundle):
    keys = ["ä", "日本", "😀", "plain", " "]
    if backend.startswith("http"):
        keys += ['a"b', "it's", "back\\slash", "new\nline"]
    with float_collection(backend, text_keys=True) as made:
        made.put(keys, clustered(len(keys)))
        changes = adopt(made.name, "vector", collection=made.codes, bundle_path=vector_bundle, uri=backend)
        assert changes == Changes(added=len(keys))
        assert set(made.stored_codes()) == set(keys)
        with AdoptedCollection.open(made.codes, Encoder.load(vector_bundle, threads=1), uri=backend) as adopted:
            for key, vector in zip(keys, clustered(len(keys)), strict=True):
                hit = adopted.search(vector, limit=1, output_fields=["id"])[0]
                assert (hit.pk, hit.fields) == (key, {"id": key})


@only_lite_2
def test_keys_that_milvus_lite_would_run_as_sql_are_rejected(lite_uri, vector_bundle):
    with float_collection(lite_uri, text_keys=True) as made:
        made.client.insert(made.name, [{"id": "it's", "vector": clustered(1)[0], "price": 1, "name": ""}])
        made.put(["fine"], clustered(1))
        rejects = []
        options = {"collection": made.codes, "bundle_path": vector_bundle, "uri": lite_uri}
        assert adopt(made.name, "vector", **options, on_reject=rejects.append) == Changes(added=1, rejected=1)
        assert (rejects[0].id, rejects[0].path) == ("it's", "")
        assert "SQL" in rejects[0].reason


def test_a_sidecar_and_a_collection_of_codes_are_told_apart(lite_floats, lite_store, vector_bundle, vector_encoder):
    uri = lite_floats.uri
    adopt(lite_floats.name, "vector", collection=lite_floats.codes, bundle_path=vector_bundle, uri=uri)
    with pytest.raises(StoreError, match=r"is the sidecar of a float collection: .*AdoptedCollection\.open"):
        HashCollection.open(lite_floats.codes, vector_encoder, uri=uri)
    codes = lite_store.create()
    with pytest.raises(StoreError, match=r"is not the sidecar of a float collection: .*HashCollection\.open"):
        AdoptedCollection.open(codes.name, vector_encoder, uri=uri)
    with pytest.raises(StoreError, match="was not made by milvus-hash"):
        AdoptedCollection.open(lite_floats.name, vector_encoder, uri=uri)
    with pytest.raises(StoreError, match="there is no collection 'absent'"):
        AdoptedCollection.open("absent", vector_encoder, uri=uri)


def test_a_sidecar_keeps_to_its_source_its_bundle_and_its_fields(lite_floats, vector_bundle, tiny_encoder, tmp_path):
    uri, codes = lite_floats.uri, lite_floats.codes
    options = {"collection": codes, "bundle_path": vector_bundle, "uri": uri}
    adopt(lite_floats.name, "vector", fields=["price"], **options)
    with pytest.raises(BundleMismatch, match="holds codes of bundle vectors"):
        AdoptedCollection.open(codes, tiny_encoder, uri=uri)
    with pytest.raises(BundleError, match="new is not a bundle"):
        adopt(lite_floats.name, "vector", collection=codes, bundle_path=tmp_path / "new", uri=uri)
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="32 bits; it lists \\[64\\]"):
        adopt(lite_floats.name, "vector", bits=32, **options)
    write_vector_bundle(tmp_path / "other", learn(-clustered(100), 64), name="other", trained_on="others")
    with pytest.raises(BundleMismatch, match="holds codes of bundle vectors"):
        adopt(lite_floats.name, "vector", collection=codes, bundle_path=tmp_path / "other", uri=uri)
    with pytest.raises(InputError, match=r"copies the fields \['price'\], not \['name'\]"):
        adopt(lite_floats.name, "vector", fields=["name"], **options)
    with float_collection(uri) as other:
        other.put([1, 2], clustered(2))
        with pytest.raises(
            BundleMismatch, match=f"is the sidecar of collection '{lite_floats.name}', not '{other.name}'"
        ):
            adopt(other.name, "vector", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": ["nothing"]}, "has no declared field 'nothing' to copy; it has price, name"),
        ({"fields": ["vector"]}, "field 'vector' is FLOAT_VECTOR; only BOOL"),
        ({"fields": ["id"]}, "has no declared field 'id' to copy"),
        ({"fields": ["code"]}, "a field of .* is called 'code'"),
        ({"fields": ["price", "price"]}, "a field is named twice"),
        ({"bits": 12}, "12 bits: a positive multiple of 8"),
        ({"index": "FLAT"}, "index 'FLAT'"),
        ({"pairs_field": "nothing"}, "no vector field 'nothing'"),
        ({"sample": 0}, "sample=0"),
    ],
)
def test_what_cannot_be_adopted_leaves_no_sidecar(lite_floats, tmp_path, options, message):
    arguments = {"bits": 64, "bundle_path": tmp_path / "bundle", **options}
    with pytest.raises(InputError, match=message):
        adopt(lite_floats.name, "vector", collection=lite_floats.codes, uri=lite_floats.uri, **arguments)
    assert not lite_floats.client.has_collection(lite_floats.codes)


def test_a_bundle_for_other_vectors_is_refused(lite_floats, tiny_bundle):
    options = {"collection": lite_floats.codes, "uri": lite_floats.uri}
    with pytest.raises(InputError, match="bundle tiny encodes image, text, not vectors"):
        adopt(lite_floats.name, "vector", bundle_path=tiny_bundle, **options)
    with pytest.raises(InputError, match="source and sidecar are both called"):
        adopt("same", "vector", collection="same", bundle_path=tiny_bundle, uri=lite_floats.uri)


def test_a_source_that_is_gone_is_said(lite_uri, vector_bundle, vector_encoder):
    with float_collection(lite_uri) as made:
        made.put([1, 2], clustered(2))
        adopt(made.name, "vector", collection=made.codes, bundle_path=vector_bundle, uri=lite_uri)
        with AdoptedCollection.open(made.codes, vector_encoder, uri=lite_uri) as adopted:
            made.client.drop_collection(made.name)
            with pytest.raises(StoreError, match=made.name):
                adopted.search(np.ones(64))
        for use in (lambda: sync(made.codes, vector_encoder, uri=lite_uri), adopted_again(made, vector_encoder)):
            with pytest.raises(StoreError, match=f"there is no collection '{made.name}'"):
                use()


def adopted_again(made, encoder):
    return lambda: AdoptedCollection.open(made.codes, encoder, uri=made.uri)
