"""Questions of every kind, filters, bounds: the answers of both backends equal brute force in numpy."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from milvus_hash import codes
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError, StoreError
from milvus_hash.query.filters import check_condition, check_templates
from milvus_hash.question import Query
from milvus_hash.store.target import Target


def random_codes(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8), dtype=np.uint8)


def mixed_rows(data: np.ndarray) -> list[CodeRow]:
    """Images, texts and videos in turn; three rows an item."""
    modalities = ("image", "text", "video")
    return [
        CodeRow(f"{n // 3:04}", modalities[n % 3], 0, code, {"year": n % 7, "licence": ("CC0", 'it\'s "by"')[n % 2]})
        for n, code in enumerate(data)
    ]


@pytest.fixture(
    scope="module",
    params=[("lite_uri", "BIN_FLAT"), ("server_uri", "BIN_FLAT"), ("server_uri", "BIN_IVF_FLAT")],
    ids=["lite", "server-flat", "server-ivf"],
)
def filled(request, tiny_encoder):
    """900 rows that no test changes."""
    uri, index = request.getfixturevalue(request.param[0]), request.param[1]
    name = f"filled_{index}"
    with HashCollection.create(
        name, tiny_encoder, uri=uri, index=index, fields={"year": int}, timeout=60
    ) as collection:
        collection.add_codes(mixed_rows(random_codes(900)))
        yield collection
        collection.drop()


def even(row: CodeRow) -> bool:
    return row.fields["licence"] == "CC0"


def expected(rows: list[CodeRow], query: np.ndarray, limit: int) -> list[int]:
    """The distances of the ``limit`` nearest rows."""
    distances = codes.hamming(query[None], np.stack([row.code for row in rows]))[0]
    return sorted(distances.tolist())[:limit]


def test_filters_and_modalities_equal_brute_force(filled):
    rows = mixed_rows(random_codes(900))
    queries = random_codes(4, seed=1)
    cases = {
        "": lambda row: True,
        "year > 3": lambda row: row.fields["year"] > 3,
        "year == 1 or year == 2": lambda row: row.fields["year"] in (1, 2),
        'licence == "CC0" and year in [0, 5]': lambda row: (
            row.fields["licence"] == "CC0" and row.fields["year"] in (0, 5)
        ),
        "licence == 'it\\'s \"by\"'": lambda row: not even(row),
    }
    for condition, holds in cases.items():
        for modality in ("image", "text", "video"):
            wanted = [row for row in rows if row.modality == modality and holds(row)]
            found = filled.search_codes(
                queries, into=modality, limit=20, filter=condition, search_params={"nprobe": 1024}
            )
            assert filled.count(modality, condition) == len(wanted)
            for query, hits in zip(queries, found, strict=True):
                assert hits == sorted(hits, key=lambda hit: (hit.distance, hit.item, hit.ordinal))
                assert all(hit.score == 1 - 2 * hit.distance / 64 for hit in hits)
                assert [hit.distance for hit in hits] == expected(wanted, query, 20)
                known = {row.item: row for row in wanted}
                for hit in hits:
                    assert hit.modality == modality
                    assert hit.fields == known[hit.item].fields
                    assert hit.distance == codes.hamming(query[None], known[hit.item].code[None])[0, 0]
    assert filled.search_codes(queries, into="vector") == [[]] * 4


def test_an_inverted_file_index_is_exact_when_it_looks_everywhere(server_uri, tiny_encoder):
    """5,000 rows, flushed and indexed: segments below 1,024 rows get no index and would prove nothing."""
    data, queries = random_codes(5000), random_codes(20, seed=1)
    with HashCollection.create("ivf", tiny_encoder, uri=server_uri, index="BIN_IVF_FLAT", timeout=60) as collection:
        collection.add_codes(CodeRow(f"{n:04}", "image", 0, code) for n, code in enumerate(data))
        collection.flush()
        client = collection.table.connection.client
        deadline = time.monotonic() + 60
        while client.describe_index("ivf", "code")["indexed_rows"] < 5000:
            assert time.monotonic() < deadline, client.describe_index("ivf", "code")
            time.sleep(0.1)
        client.release_collection("ivf")
        client.load_collection("ivf")  # so that the sealed, indexed segment answers and not the growing one
        everywhere = collection.search_codes(queries, limit=50, search_params={"nprobe": 1024})
        somewhere = collection.search_codes(queries, limit=50, search_params={"nprobe": 1})
        collection.drop()
    distances = codes.hamming(queries, data)
    for hits, row in zip(everywhere, distances, strict=True):
        assert [hit.distance for hit in hits] == sorted(row.tolist())[:50]
    assert [[hit.distance for hit in hits] for hits in somewhere] != [sorted(row.tolist())[:50] for row in distances]


def test_questions_of_every_kind(lite_store, tiny_encoder, tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
    collection = lite_store.create(bits=32)
    colours = ["red", "green", "blue"]
    texts = tiny_encoder.encode_texts(colours, bits=32)
    images = tiny_encoder.encode_images([Image.new("RGB", (9, 9), c) for c in ("red", "#00ff00", "blue")], bits=32)
    for modality, data in (("text", texts), ("image", images)):
        collection.add_codes(CodeRow(name, modality, 0, code) for name, code in zip(colours, data, strict=True))
    for question in (
        {"text": "red"},
        {"image": tmp_path / "red.png"},
        {"image": (tmp_path / "red.png").read_bytes()},
        {"image": Image.new("RGB", (9, 9), "red")},
        {"code": texts[0]},
        {"code": texts[0].tobytes()},
    ):
        for into in ("image", "text"):
            hits = collection.search(**question, into=into)
            assert (hits[0].item, hits[0].distance, len(hits)) == ("red", 0, 3)


def test_the_last_shell_is_complete_in_order(lite_store):
    """Many rows at one distance: ordered by item and ordinal, whatever Milvus' order."""
    collection = lite_store.create()
    rows = [CodeRow(item, "text", n, bytes(8)) for item in ("b", "a", "é", "c#") for n in (2, 0, 1)]
    collection.add_codes(rows)
    found = [(hit.item, hit.ordinal) for hit in collection.search(code=bytes(8), into="text", limit=12)]
    assert found == sorted((row.item, row.ordinal) for row in rows)


def test_fields_are_returned_as_asked(flat_store):
    collection = flat_store.create(fields={"year": int})
    collection.add_codes([CodeRow("a", "image", 0, bytes(8), {"year": 1, "path": "p", "labels": ["x"]})])
    ask = lambda names: collection.search(code=bytes(8), output_fields=names)[0].fields  # noqa: E731
    assert ask(None) == {"year": 1, "path": "p", "labels": ["x"]}
    assert ask(["path"]) == {"path": "p"}
    assert ask([]) == ask(["item"]) == {}
    for names in (["code"], ["*"]):
        with pytest.raises(InputError, match="get\\(items\\) returns codes"):
            ask(names)
    for names in (["a-b"], ["no field"], [""], [3], ["ü"], ["x; y"]):
        with pytest.raises(InputError, match="cannot be asked for by itself"):
            ask(names)
    with pytest.raises(InputError, match="write \\['year'\\]"):
        ask("year")


def test_a_field_that_no_row_has_is_named(flat_store):
    collection = flat_store.create(fields={"year": int})
    ask = lambda **asked: collection.search(code=bytes(8), **asked)  # noqa: E731
    assert ask(filter="yaer > 3") == []  # nobody can tell without rows
    collection.add_codes(
        CodeRow(str(n), "image", 0, bytes(8), {"year": n, **extra})
        for n, extra in enumerate([{"path": "p", "labels": ["cat"]}, {}, {"note": ""}])
    )
    for unknown in ("yaer > 3", 'year < 2 and (Path == "p")', 'json_contains(label, "cat")', "nested['path'] == 1"):
        name = {"yaer": "yaer", "year": "Path", "json": "label", "nest": "nested"}[unknown[:4]]
        with pytest.raises(InputError, match=f"no row of .* has a field '{name}'; declared are year"):
            ask(filter=unknown)
        with pytest.raises(InputError, match=f"has a field '{name}'"):
            collection.within(3, code=bytes(8), filter=unknown)
    with pytest.raises(InputError, match=r"output_fields: no row of .* has a field 'paths'"):
        ask(output_fields=["year", "paths"])
    for known in ('path == "q"', "year > 99", 'note == "path == x"', 'json_contains(labels, "dog")', 'item == "x"'):
        assert ask(filter=known) == []
    assert ask(filter="year == 1", output_fields=["path"])[0].fields == {}


def test_a_filter_that_does_not_parse_is_named(filled):
    for condition in ("year ==", "frobnicate(year)", "year > 'a' and", 'path == "open', "year in [1,"):
        for ask in (filled.count, lambda filter, asked=filled.search: asked(code=bytes(8), filter=filter)):
            with pytest.raises((StoreError, InputError)) as caught:
                ask(filter=condition)
            assert repr(condition) in str(caught.value)
    assert filled.count() == 900


@pytest.mark.parametrize(
    "condition", ["true) or (true", "year > 1)", "(year > 1", 'a == "x', "a == 'x\\'", "a in [1,", "a in [(1])"]
)
def test_a_filter_cannot_leave_its_parentheses(condition):
    with pytest.raises(InputError, match="a parenthesis, bracket or quote is missing"):
        check_condition(condition)


@given(st.text())
def test_quoted_text_never_counts_as_a_parenthesis(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert check_condition(f'a == "{quoted}"') == f'a == "{quoted}"'


@pytest.mark.parametrize("limit", [0, -1, 16385, 1.5, "10", True, None])
def test_limits_out_of_bounds(empty_collection, limit):
    with pytest.raises(InputError, match="from 1 to 16384"):
        empty_collection.search(code=bytes(8), limit=limit)


def test_limits_at_the_bounds(filled):
    assert len(filled.search(code=bytes(8), limit=1)) == 1
    assert len(filled.search(code=bytes(8), limit=16384, search_params={"nprobe": 1024})) == 300
    many = filled.search_codes(
        random_codes(20), limit=16384, search_params={"nprobe": 1024}
    )  # more than one call takes
    assert [len(hits) for hits in many] == [300] * 20
    assert filled.search_codes(random_codes(0)) == []


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "nothing is given"),
        ({"text": "a", "code": bytes(8)}, "text and code are given"),
        ({"video": "a.mp4", "code": bytes(8)}, "video and code are given"),
        ({"text": ""}, "text is empty"),
        ({"image": "absent.png"}, "absent.png"),
        ({"code": bytes(7)}, "64 bits = 8 bytes are needed"),
        ({"code": np.zeros(64, bool)}, "packed uint8"),
        ({"code": np.zeros((1, 8), np.uint8)}, "packed uint8"),
        ({"code": [0] * 8}, "packed uint8"),
        ({"code": bytes(8), "into": "sound"}, "unknown modality 'sound'"),
        ({"code": np.zeros(8, np.float32)}, "the code is float32"),
        ({"code": np.zeros(8, np.int64)}, "the code is int64"),
        ({"code": bytes(8), "search_params": {"nprobe": 0}}, "nprobe=0"),
        ({"code": bytes(8), "offset": -1}, "offset=-1"),
        ({"code": bytes(8), "offset": 1.0}, "offset=1.0"),
        ({"code": bytes(8), "limit": 16000, "offset": 385}, "together they may reach 16384"),
    ],
)
def test_questions_that_cannot_be_asked(empty_collection, question, message):
    with pytest.raises(InputError, match=message):
        empty_collection.search(**question)


@pytest.mark.parametrize("radius", [-1, 65, 3.0, "3", True, None])
def test_radii_out_of_bounds(empty_collection, radius):
    with pytest.raises(InputError, match="from 0 to 64, the bits of a code"):
        empty_collection.within(radius, code=bytes(8))


def test_everything_within_a_radius(filled):
    rows = [row for row in mixed_rows(random_codes(900)) if row.modality == "text"]
    query = random_codes(1, seed=2)
    distances = codes.hamming(query, np.stack([row.code for row in rows]))[0]
    for radius in (0, int(distances.min()), 28, 33, 64):
        wanted = sorted((d, row.item) for d, row in zip(distances.tolist(), rows, strict=True) if d <= radius)
        hits = filled.within(radius, code=query[0], into="text")
        assert [(hit.distance, hit.item) for hit in hits] == wanted
        recent = filled.within(radius, query=Query(query[0]), into="text", filter="year > 3", output_fields=["year"])
        years = {row.item: row.fields["year"] for row in rows}
        assert [(hit.distance, hit.item) for hit in recent] == [pair for pair in wanted if years[pair[1]] > 3]
        assert all(hit.fields == {"year": years[hit.item]} for hit in recent)
    (same,) = filled.within(0, code=rows[5].code, into="text")
    assert (same.item, same.distance) == (rows[5].item, 0)


def test_all_rows_at_the_last_distance_are_there(filled):
    rows = [row for row in mixed_rows(random_codes(900)) if row.modality == "image"]
    queries = random_codes(5, seed=3)
    distances = codes.hamming(queries, np.stack([row.code for row in rows]))
    for limit in (1, 10, 299, 300, 1000):
        found = filled.search_codes(queries, limit=limit, complete=True)
        for hits, row in zip(found, distances.tolist(), strict=True):
            everything = sorted((d, one.item) for d, one in zip(row, rows, strict=True))
            last = everything[min(limit, 300) - 1][0]
            assert [(hit.distance, hit.item) for hit in hits] == [pair for pair in everything if pair[0] <= last]


def test_pages(filled):
    """Pages that are complete lie end to end; plain ones are Milvus' own, in whose order ties may stand anywhere."""
    everything = filled.search(code=bytes(8), limit=300)
    pages = []
    while hits := filled.search(code=bytes(8), limit=7, offset=len(pages), complete=True):
        pages += hits
    assert pages == everything
    plain = [filled.search(code=bytes(8), limit=50, offset=offset) for offset in range(0, 300, 50)]
    assert [hit.distance for page in plain for hit in page] == [hit.distance for hit in everything]
    assert filled.search(code=bytes(8), offset=300) == []


def test_values_for_a_filter_are_refused_where_milvus_has_no_templates(filled):
    """Milvus 2.3 cannot parse ``{name}``, and Milvus Lite takes it for the name of a field."""
    with pytest.raises(
        StoreError, match=r"(Milvus Lite|Milvus 2\.3\.5\S*) has no filter templates .* leave filter_params"
    ):
        filled.search(code=bytes(8), filter="year > {least}", filter_params={"least": 3})
    with pytest.raises(StoreError, match="has no filter templates"):
        filled.within(9, code=bytes(8), filter="year > {least}", filter_params={"least": 3})


@pytest.mark.parametrize(
    ("version", "there"),
    [
        ("v2.3.5-lite", False),
        ("2.4.23", False),
        ("v2.5.0", True),
        ("v2.6.22", True),
        ("v3.0.0", True),
        ("Zilliz", True),
    ],
)
def test_the_version_says_whether_there_are_templates(version, there):
    """No server of 2.5 runs here: what it would answer is sent to the steps."""
    steps = check_templates(Target("c", 64, "BIN_FLAT"))
    assert next(steps).method == "get_server_version"
    with pytest.raises(StopIteration if there else StoreError):
        steps.send(version)


def test_all_modalities_together(filled):
    rows = mixed_rows(random_codes(900))
    query = random_codes(1, seed=4)[0]
    hits = filled.search(code=query, into=None, limit=30)
    assert [hit.distance for hit in hits] == expected(rows, query, 30)
    assert len({hit.modality for hit in hits}) == 3


def test_an_empty_collection_answers(flat_store):
    collection = flat_store.create()
    assert collection.search(text="red") == []
    assert collection.get(["a"]) == []
    assert collection.count() == collection.count("image", "year > 1") == 0
