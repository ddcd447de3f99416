"""Searching an adopted collection: exact scores, filters on either side, rows that are gone."""

from __future__ import annotations

import html
import pickle

import numpy as np
import pytest
from float_collection import clustered, float_collection

from milvus_hash.adopt import AdoptedCollection, adopt, measure, trial
from milvus_hash.adopt.scores import exact_scores
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError, StoreError


@pytest.fixture(scope="module", params=["lite_uri", "server_uri"], ids=["lite", "server"])
def adopted(request, vector_bundle, vector_encoder):
    """600 rows, adopted, which no test changes."""
    with float_collection(request.getfixturevalue(request.param)) as made:
        made.put(range(10, 6010, 10), clustered(600))
        adopt(made.name, "vector", collection=made.codes, bundle_path=vector_bundle, fields=["price"], uri=made.uri)
        with AdoptedCollection.open(made.codes, vector_encoder, uri=made.uri) as found:
            yield found


def nearest_by_cosine(vector, count):
    scores = exact_scores(vector[None], clustered(600), "COSINE")[0]
    order = np.argsort(-scores)[:count]
    return [10 * int(n) + 10 for n in order], scores[order]


def test_hits_are_those_of_the_exact_search_and_so_are_their_scores(adopted):
    questions = clustered(20, seed=3)
    answers = adopted.search_many(questions, output_fields=["name", "extra"])
    shared = 0
    for vector, hits in zip(questions, answers, strict=True):
        keys, scores = nearest_by_cosine(vector, 10)
        assert hits[0].pk == keys[0]
        shared += len({hit.pk for hit in hits} & set(keys))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert hits[0].score == pytest.approx(scores[0], abs=1e-5)
        assert hits[0].fields == {"name": f"n{keys[0] // 10 - 1}", "extra": (keys[0] // 10 - 1) % 7}
    assert shared / 200 > 0.97
    assert adopted.search(questions[0].tolist(), output_fields=["name", "extra"]) == answers[0]


def test_codes_alone_answer_too(adopted):
    question = clustered(1, seed=4)[0]
    plain = adopted.search(question, rescore=None)
    assert [hit.score for hit in plain] == [1 - 2 * hit.distance / 64 for hit in plain]
    by_logits = adopted.search(question, rescore="logits")
    assert all(-1 <= hit.score <= 1 for hit in by_logits)
    assert by_logits[0].score > by_logits[-1].score
    keys, _ = nearest_by_cosine(question, 30)
    assert {hit.pk for hit in plain + by_logits} <= set(keys)
    assert plain[0].fields == {}
    assert set(adopted.search(question, rescore=None, output_fields=["name", "absent"])[0].fields) == {"name"}
    assert set(adopted.search(question, output_fields=["*"])[0].fields) == {"price", "name", "extra"}


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("price < 12", id="copied"),
        pytest.param("extra == 3 and price < 80", id="dynamic"),
        pytest.param('name == "n5" or name == "n77"', id="declared"),
        pytest.param("price < 0", id="nothing"),
    ],
)
def test_a_filter_finds_the_nearest_of_the_rows_that_meet_it(adopted, condition):
    """However few: candidates are fetched until there are enough."""
    question = clustered(1, seed=6)[0]
    rows = [{"price": n, "extra": n % 7, "name": f"n{n}"} for n in range(600)]
    meet = [n for n, row in enumerate(rows) if eval(condition, {}, row)]
    scores = exact_scores(question[None], clustered(600)[meet], "COSINE")[0] if meet else []
    expected = [10 * meet[n] + 10 for n in np.argsort(-np.asarray(scores))][:10]
    assert [hit.pk for hit in adopted.search(question, filter=condition)] == expected


@pytest.mark.parametrize("where", [{"price": [3, 5, 9]}, {"name": "n5"}, {"price": 5, "extra": [5, 6]}], ids=repr)
def test_values_find_the_rows_that_have_them(adopted, where):
    question = clustered(1, seed=6)[0]
    prices = {3, 5, 9} if where == {"price": [3, 5, 9]} else {5}
    assert {hit.fields["price"] for hit in adopted.search(question, where=where, output_fields=["price"])} == prices
    assert adopted.search_many([question], filter="price > 600", where=where) == [[]]
    assert adopted.search(question, where={"name": 'n5" or name != "'}) == []


def test_hits_are_rows_that_the_source_has_now_with_their_scores_of_now(floats, vector_bundle, vector_encoder):
    adopt(floats.name, "vector", collection=floats.codes, bundle_path=vector_bundle, uri=floats.uri)
    question = clustered(600)[41]
    floats.delete([420])
    floats.put([430], question[None], [7])
    with AdoptedCollection.open(floats.codes, vector_encoder, uri=floats.uri) as adopted:
        hits = adopted.search(question, limit=600, oversample=1, output_fields=["price"])
        assert 420 not in {hit.pk for hit in hits}
        assert (hits[0].pk, hits[0].fields["price"]) == (430, 7)
        assert hits[0].score == pytest.approx(1, abs=1e-5)


def test_rows_of_one_code_are_told_apart_by_their_vectors(lite_floats, vector_bundle, vector_encoder):
    """They tie as candidates, so all of them are read, however few candidates are asked for."""
    middle = clustered(600)[41]
    around = (middle + 0.02 * np.random.default_rng(0).standard_normal((2000, 64))).astype(np.float32)
    codes = vector_encoder.encode_vectors(around)
    same = around[(codes == codes[0]).all(axis=1)][:30]
    assert len(same) == 30
    lite_floats.delete([420])  # the middle
    lite_floats.put(range(10_000, 10_030), same)
    adopt(lite_floats.name, "vector", collection=lite_floats.codes, bundle_path=vector_bundle, uri=lite_floats.uri)
    nearest = 10_000 + np.argsort(-exact_scores(same[:1], same, "COSINE")[0])[:5]
    with AdoptedCollection.open(lite_floats.codes, vector_encoder, uri=lite_floats.uri) as adopted:
        assert [hit.pk for hit in adopted.search(same[0], limit=5, oversample=1)] == nearest.tolist()


@pytest.mark.parametrize("metric", ["L2", "IP"])
def test_scores_are_those_of_milvus_own_search(backend, metric, vector_encoder, vector_bundle):
    with float_collection(backend, metric=metric) as made:
        made.put(range(100), clustered(100))
        adopt(made.name, "vector", collection=made.codes, bundle_path=vector_bundle, uri=backend)
        question = clustered(1, seed=8)[0]
        theirs = made.client.search(made.name, [question], limit=5, anns_field="vector")[0]
        with AdoptedCollection.open(made.codes, vector_encoder, uri=backend) as adopted:
            ours = adopted.search(question, limit=5, oversample=20)
        assert [hit.pk for hit in ours] == [hit["id"] for hit in theirs]
        assert [hit.score for hit in ours] == pytest.approx([hit["distance"] for hit in theirs], rel=1e-4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"limit": 0}, InputError, "limit=0"),
        ({"oversample": 0}, InputError, "oversample=0"),
        ({"rescore": "floats"}, InputError, "rescore='floats'"),
        ({"filter": "price > (3"}, InputError, "parenthesis"),
        ({"filter": "absent_field > 3 and"}, StoreError, "the filter"),
        ({"vector": np.ones(63)}, InputError, "63"),
        ({"vector": np.full(64, np.nan)}, InputError, "vector 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(lite_floats, vector_bundle, vector_encoder, options, error, message):
    uri = lite_floats.uri
    adopt(lite_floats.name, "vector", collection=lite_floats.codes, bundle_path=vector_bundle, uri=uri)
    with AdoptedCollection.open(lite_floats.codes, vector_encoder, uri=uri) as made:
        with pytest.raises(error, match=message):
            made.search(**{"vector": np.ones(64), **options})
        assert made.search_many(np.empty((0, 64))) == []


def test_a_trial_tells_what_a_measurement_finds_and_writes_nothing(floats, vector_bundle, vector_encoder):
    before = sorted(floats.client.list_collections())
    tried = trial(floats.name, "vector", bits=64, rows=500, queries=100, uri=floats.uri)
    assert sorted(floats.client.list_collections()) == before
    assert (tried.rows, tried.queries, tried.bits, tried.width) == (500, 100, 64, 64)
    assert (tried.vector_bytes, tried.code_bytes) == (256, 8)
    assert 0.3 < tried.raw < tried.asymmetric < tried.rescored <= 1
    adopt(floats.name, "vector", collection=floats.codes, bundle_path=vector_bundle, uri=floats.uri)
    found = measure(floats.codes, vector_encoder, queries=100, uri=floats.uri)
    assert found.rows == 600
    assert found.rescored == pytest.approx(tried.rescored, abs=0.05)
    with_these_codes = trial(floats.name, "vector", encoder=vector_encoder, rows=500, queries=100, uri=floats.uri)
    assert found.raw == pytest.approx(with_these_codes.raw, abs=0.1)


def test_recall_is_what_a_loop_over_the_queries_counts(lite_floats, vector_encoder, vector_bundle):
    adopt(lite_floats.name, "vector", collection=lite_floats.codes, bundle_path=vector_bundle, uri=lite_floats.uri)
    found = measure(lite_floats.codes, vector_encoder, queries=600, k=5, oversample=4, uri=lite_floats.uri)
    vectors = clustered(600)
    with AdoptedCollection.open(lite_floats.codes, vector_encoder, uri=lite_floats.uri) as adopted:
        answers = adopted.search_many(vectors, limit=21, oversample=1)
    shares = []
    for n, hits in enumerate(answers):
        others = [hit.pk for hit in hits if hit.pk != 10 * n + 10][:20]
        exact = [key for key in nearest_by_cosine(vectors[n], 6)[0] if key != 10 * n + 10][:5]
        shares.append(len(set(exact) & set(others)) / 5)
    assert found.rescored == pytest.approx(np.mean(shares), abs=0.01)


def test_a_trial_needs_enough_rows(lite_floats):
    with pytest.raises(InputError, match="has 600 rows: a trial with 400 queries needs twice as many"):
        trial(lite_floats.name, "vector", queries=400, uri=lite_floats.uri)


def test_it_can_be_carried_to_another_process(adopted, vector_bundle):
    """There it connects again."""
    adopted = AdoptedCollection.open(
        adopted.name, Encoder.load(vector_bundle, threads=1), uri=adopted.table.connection.address.uri
    )
    again = pickle.loads(pickle.dumps(adopted))
    question = clustered(1, seed=4)[0]
    assert again.search(question, filter="price > 1") == adopted.search(question, filter="price > 1")
    again.close()
    adopted.close()


def test_a_notebook_says_what_it_is(adopted):
    shown = adopted._repr_html_()
    assert html.escape(repr(adopted)) in shown
    assert adopted.encoder.fingerprint in shown
    assert adopted.adopted.metric in shown
