"""Codes learned from float vectors: the graph says what numpy says, learning helps, bad input is named."""

from __future__ import annotations

import numpy as np
import pytest

from milvus_hash.adopt.learn import learn, write_vector_bundle
from milvus_hash.bundle import VectorInput, read_bundle
from milvus_hash.codes import asymmetric_score, hamming, pack
from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleError, InputError
from milvus_hash.projections.hyperplanes import hyperplanes
from milvus_hash.projections.ranking import fit_ranking, nearest

WIDTH, BITS = 24, 32


def clustered(n=1500, width=WIDTH, clusters=40, seed=0):
    """Vectors around centres, off the origin, with few wide and many narrow directions."""
    random = np.random.default_rng(seed)
    spread = np.linspace(2, 0.2, width)
    centres = random.standard_normal((clusters, width)) * spread + 0.5
    vectors = centres[np.arange(n) % clusters] + 0.4 * random.standard_normal((n, width)) * spread
    return vectors.astype(np.float32)


def recall(score, vectors, k=10):
    """Share of the ``k`` nearest by cosine that have the ``k`` best scores; the row itself left out."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    tops = []
    for values in (unit[: len(score)] @ unit.T, np.asarray(score, np.float64)):
        values[np.arange(len(values)), np.arange(len(values))] = -np.inf
        tops.append(np.argsort(-values, axis=1, kind="stable")[:, :k])
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(*(top.tolist() for top in tops), strict=True)])


@pytest.fixture(scope="module")
def vectors():
    return clustered()


@pytest.fixture(scope="module")
def learned(vectors):
    return learn(vectors[200:], BITS)


@pytest.fixture(scope="module")
def path(learned, tmp_path_factory):
    path = tmp_path_factory.mktemp("learned") / "bundle"
    write_vector_bundle(path, learned, name="source.field", trained_on="a test", metrics={"recall": 0.5})
    return path


@pytest.fixture(scope="module")
def encoder(path):
    return Encoder.load(path, threads=1)


def test_the_graph_gives_what_numpy_gives(encoder, learned, vectors):
    codes = encoder.encode_vectors(vectors)
    assert codes.dtype == np.uint8
    assert codes.shape == (len(vectors), BITS // 8)
    np.testing.assert_array_equal(codes, learned.codes(vectors))


def test_rows_one_by_one_are_encoded_as_the_matrix_is(encoder, learned, vectors):
    out = encoder.encode("vector", list(vectors[:50]))
    np.testing.assert_array_equal(out.codes, encoder.encode_vectors(vectors[:50]))
    np.testing.assert_array_equal(out.codes, pack(out.logits))
    assert encoder.vector_names("vector") == ("weights",)
    rows = list(encoder.stream("vector", enumerate(vectors[:50].tolist()), vectors=["weights"]))
    weights = np.array([row.vectors["weights"] for row in rows])
    matrix, offset = learned.weights
    expected = vectors[:50] / np.linalg.norm(vectors[:50], axis=1, keepdims=True) @ matrix + offset
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(out.weights, weights)


def test_a_matrix_longer_than_a_block_loses_no_row(encoder, vectors):
    many = np.tile(vectors, (7, 1))
    np.testing.assert_array_equal(encoder.encode_vectors(many), np.tile(encoder.encode_vectors(vectors), (7, 1)))


def test_the_bundle_comes_back(path, learned):
    bundle = read_bundle(path)
    assert bundle.modalities["vector"].input == VectorInput(WIDTH)
    assert (bundle.method, bundle.bits, dict(bundle.metrics)) == ("pca-itq", (BITS,), {"recall": 0.5})
    assert (learned.width, learned.bits) == (WIDTH, BITS)


def test_another_projection_has_another_fingerprint_and_the_same_one_has_not(path, vectors, tmp_path):
    fingerprint = read_bundle(path).fingerprint
    for seed, same in ((0, True), (1, False)):
        again = learn(vectors[200:], BITS, seed=seed)
        written = write_vector_bundle(tmp_path / str(seed), again, name="other name", trained_on="a test")
        assert (written.fingerprint == fingerprint) is same


def test_cosine_codes_do_not_depend_on_length_and_others_do(learned, vectors):
    factors = np.float32(2) ** np.arange(-3, 4).repeat(50)[: len(vectors), None]  # exact in float32
    scaled = vectors[: len(factors)] * factors
    np.testing.assert_array_equal(learned.codes(scaled), learned.codes(vectors[: len(factors)]))
    for metric in ("L2", "IP"):
        as_they_are = learn(vectors, BITS, metric=metric, rank=False)
        assert (as_they_are.codes(scaled) != as_they_are.codes(vectors[: len(factors)])).any()


def test_a_vector_of_zeros_has_a_code(encoder, learned):
    zeros = np.zeros((1, WIDTH), np.float32)
    np.testing.assert_array_equal(encoder.encode_vectors(zeros), learned.codes(zeros))


def test_learned_codes_rank_better_than_random_hyperplanes(vectors):
    sample = vectors[200:]
    random = pack((vectors - sample.mean(axis=0)) @ hyperplanes(WIDTH, 16))
    rotated, ranked = (learn(sample, 16, rank=rank).codes(vectors) for rank in (False, True))
    found = [recall(-hamming(codes[:200], codes).astype(float), vectors) for codes in (random, rotated, ranked)]
    assert found[1] > found[0] + 0.02
    assert found[2] > found[0] + 0.05


def test_ranking_improves_what_it_starts_from_for_queries_it_never_saw(vectors):
    x = vectors - vectors[200:].mean(axis=0)
    x /= np.sqrt(np.square(x).sum(axis=1).mean())
    start = hyperplanes(WIDTH, 16).astype(np.float32)
    found = fit_ranking(x[200:], start)
    weights, logits = (x @ matrix + offset for matrix, offset in (found.weights, found.logits))
    before = recall(asymmetric_score(x[:200] @ start, pack(x @ start)), vectors)
    assert recall(asymmetric_score(weights[:200], pack(logits)), vectors) > before + 0.015
    assert np.mean(found.losses[-10:]) < np.mean(found.losses[:10]) - 0.1


def test_pairs_keep_what_both_views_agree_on():
    random = np.random.default_rng(0)
    topic = np.arange(1200) % 60
    centres = random.standard_normal((60, 8))
    noise = 2 * random.standard_normal((1200, 16))  # wider than the topics, and not in the other view
    x = np.hstack([centres[topic] + 0.1 * random.standard_normal((1200, 8)), noise]).astype(np.float32)
    y = (centres[topic] + 0.1 * random.standard_normal((1200, 8))) @ random.standard_normal((8, 12))
    same = topic[:100, None] == topic[None]

    def purity(learned):
        order = np.argsort(hamming(learned.codes(x[:100]), learned.codes(x)), axis=1, kind="stable")[:, 1:11]
        return np.take_along_axis(same, order, axis=1).mean()

    paired = learn(x, 16, metric="L2", pairs=y)
    assert paired.method == "cca-itq"
    assert purity(paired) > purity(learn(x, 16, metric="L2")) + 0.2


def test_more_bits_than_numbers_find_more(vectors):
    found = []
    for bits in (WIDTH, 4 * WIDTH):
        codes = learn(vectors[200:], bits).codes(vectors)
        found.append(recall(-hamming(codes[:200], codes).astype(float), vectors))
    assert found[1] > found[0] + 0.05


def test_nearest_equals_a_full_sort(vectors):
    x = vectors[:1200]
    distance = np.square(x[:, None] - x[None]).sum(axis=2) + np.diag(np.full(len(x), np.inf))
    expected = np.sort(np.argsort(distance, axis=1)[:, :5], axis=1)
    assert (np.sort(nearest(x, 5), axis=1) == expected).mean() > 0.999  # ties of rounding


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda m: np.where(np.arange(len(m))[:, None] == 7, np.nan, m), "row 7: number 0", id="nan"),
        pytest.param(lambda m: np.where(np.arange(len(m))[:, None] == 8, np.inf, m), "row 8: number 0", id="inf"),
        pytest.param(lambda m: m.astype(np.float64) * 1e300, "row 0: number 0 of the vector is", id="too large"),
        pytest.param(lambda m: m[:, :-1], "row 0: the vector has shape (23,); 24", id="narrow"),
        pytest.param(lambda m: m[0], "row 0: the vector has shape ()", id="one row"),
        pytest.param(lambda m: [*m[:3], m[3][:5]], "row 3: the vector has shape (5,); 24", id="ragged"),
        pytest.param(lambda m: [*m[:2], ["a"] * WIDTH], "row 2: the vector is a list; 24 numbers", id="texts"),
        pytest.param(lambda m: m > 0, "row 0: the vector is bool (24,)", id="bool"),
        pytest.param(lambda m: [*m[:4], None], "row 4: the vector is a NoneType", id="none"),
        pytest.param(lambda m: [[]], "row 0: the vector has shape (0,)", id="empty row"),
    ],
)
def test_a_bad_row_is_named(encoder, vectors, change, message):
    with pytest.raises(InputError) as error:
        encoder.encode_vectors(change(vectors[:20]))
    assert message in str(error.value)


def test_a_bad_row_in_a_later_block_is_named_by_its_own_number(encoder):
    many = np.ones((5000, WIDTH), np.float32)
    many[4500, 3] = np.nan
    with pytest.raises(InputError, match="row 4500: number 3 of the vector is nan"):
        encoder.encode_vectors(many)


def test_a_bad_row_of_a_stream_costs_its_own_place_only(encoder, vectors):
    rows = [vectors[0], [1.0], vectors[1]]
    out = list(encoder.stream("vector", enumerate(rows)))
    assert [row.error is None for row in out] == [True, False, True]
    with pytest.raises(InputError, match="vector 1: the vector has shape"):
        encoder.encode("vector", rows)


def test_no_rows_give_no_codes(encoder):
    assert encoder.encode_vectors(np.empty((0, WIDTH))).shape == (0, BITS // 8)
    assert encoder.encode_vectors([]).shape == (0, BITS // 8)


def test_a_bundle_without_vectors_says_so(tiny_encoder, vectors):
    with pytest.raises(InputError, match="cannot encode 'vector'"):
        tiny_encoder.encode_vectors(vectors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"bits": 12}, "12 bits", id="bits"),
        pytest.param({"bits": 0}, "0 bits", id="no bits"),
        pytest.param({"bits": True}, "True bits", id="bool bits"),
        pytest.param({"metric": "HAMMING"}, "metric 'HAMMING': COSINE, IP, L2", id="metric"),
        pytest.param({"vectors": np.ones((1, 4))}, "at least 2 vectors", id="one row"),
        pytest.param({"vectors": np.ones(4)}, "at least 2 vectors", id="no matrix"),
        pytest.param({"vectors": np.ones((9, 4))}, "are the same", id="constant"),
        pytest.param({"vectors": np.full((9, 4), np.nan)}, "row 0: number 0", id="nan"),
        pytest.param({"pairs": np.ones((3, 4))}, "as many of either", id="pairs"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(vectors, arguments, message):
    with pytest.raises(InputError) as error:
        learn(**{"vectors": vectors[:50], "bits": 8, **arguments})
    assert message in str(error.value)


def test_a_few_vectors_are_enough_for_codes(vectors):
    for n in (2, 3, 20):
        assert learn(vectors[:n], 8).codes(vectors).shape == (len(vectors), 1)


def test_a_folder_that_is_no_bundle_is_left_alone(learned, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="is not a bundle"):
        write_vector_bundle(tmp_path, learned, name="x", trained_on="x")
    assert (tmp_path / "file").read_text() == "mine"
