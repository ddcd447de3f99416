"""One to one against brute force over the rows of a manifest: captions, copies, several rows of one picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from milvus_hash.codes import hamming
from milvus_hash.errors import InputError
from milvus_hash.evaluate.contents import same_files, same_texts
from milvus_hash.evaluate.dataset import EncodedSet
from milvus_hash.evaluate.metrics import all_hits
from milvus_hash.evaluate.pairs import by_picture, own_partners
from milvus_hash.evaluate.ranking import rank_codes, rank_scores
from milvus_hash.evaluate.report import evaluate
from milvus_hash.evaluate.write import to_markdown, write
from milvus_hash.manifest import write_manifest
from milvus_hash.record import Record

KS = (1, 2, 5)
# A row is a picture or none, and captions; the same numbers mean the same picture and the same words.
rows_of_a_manifest = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 3)), st.lists(st.integers(0, 5), max_size=3)), min_size=1, max_size=7
)


def code(content: int, seed: int) -> int:
    """Few bits, so that many distances are equal."""
    return int(np.random.default_rng([content, seed]).integers(0, 16))


def encoded(rows: list, modality: str, seed: int) -> EncodedSet:
    found = [
        (number, content)
        for number, (picture, captions) in enumerate(rows)
        for content in (captions if modality == "text" else [] if picture is None else [picture])
    ]
    items, contents = np.array(found, dtype=np.int64).reshape(-1, 2).T
    codes = [[code(content, seed + (modality == "text"))] for content in contents.tolist()]
    return EncodedSet(items, contents, np.array(codes, dtype=np.uint8).reshape(-1, 1), {})


def hit(distances: list[int], right: list[bool], k: int) -> float:
    """The chance that something right is among the first k, whatever the order of equal distances."""
    order = sorted(distances)
    bound = order[min(k, len(order)) - 1]
    if any(r and d < bound for d, r in zip(distances, right, strict=True)):
        return 1.0
    tied = [r for d, r in zip(distances, right, strict=True) if d == bound]
    places = min(k, len(order)) - sum(d < bound for d in distances)
    return 1 - math.comb(len(tied) - sum(tied), places) / math.comb(len(tied), places)


def brute_force(rows: list, task: tuple[str, str], seed: int) -> list[list[float]]:
    """The hits of every question that has a partner, straight from what the words of the convention say."""

    def contents(row, modality: str) -> set[int]:
        picture, captions = row
        return set(captions) if modality == "text" else set() if picture is None else {picture}

    def together(a: int, b: int) -> bool:
        if task != ("text", "text"):
            return any(a in contents(row, task[0]) and b in contents(row, task[1]) for row in rows)
        pictures = {row[0] for row in rows if row[0] is not None}
        groups = [set().union(*(row[1] for row in rows if row[0] == picture)) for picture in pictures]
        groups += [set(captions) for picture, captions in rows if picture is None]
        return any({a, b} <= group for group in groups)

    asked, searched = (sorted({c for row in rows for c in contents(row, modality)}) for modality in task)
    out = []
    for a in asked:
        candidates = [b for b in searched if task[0] != task[1] or b != a]
        right = [together(a, b) for b in candidates]
        if any(right):
            mine, theirs = (seed + (modality == "text") for modality in task)
            distances = [bin(code(a, mine) ^ code(b, theirs)).count("1") for b in candidates]
            out.append([round(hit(distances, right, k), 9) for k in KS])
    return sorted(out)


@settings(deadline=None, max_examples=100)
@given(rows_of_a_manifest, st.integers(0, 5))
def test_hits_are_those_of_brute_force(rows, seed):
    grouped = by_picture({m: encoded(rows, m, seed) for m in ("image", "text")}, len(rows))
    for task in (("image", "text"), ("text", "image"), ("text", "text"), ("image", "image")):
        search = own_partners(grouped[task[0]], grouped[task[1]], within=task[0] == task[1])
        expected = brute_force(rows, task, seed)
        if search is None:
            assert expected == []
            continue
        ranking = rank_codes(search.queries.codes, search.items.codes, search.relevance)
        found = all_hits([ranking], KS)[ranking.has_relevant]
        assert sorted(found.round(9).tolist()) == expected
        distances = hamming(search.queries.codes, search.items.codes)
        (again,) = rank_scores(lambda rows, d=distances: -d[rows].astype(float), *distances.shape, search.relevance)
        np.testing.assert_allclose(all_hits([again], KS), all_hits([ranking], KS), atol=1e-12)


@pytest.fixture
def pictures(tmp_path):
    random = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    return [str(tmp_path / f"{number}.png") for number in range(6)]


COLOURS = ("red", "green", "blue", "yellow", "white", "black")


def measured(encoder, path, records):
    write_manifest(path, records)
    return evaluate(encoder, path, bits=[64], ks=[1, 5, 10])


def figures(report):
    return {pairs.task: (pairs.queries, pairs.candidates, dict(pairs.hit)) for pairs in report.pairs}


def test_captioned_pictures_need_neither_labels_nor_a_database(tiny_encoder, pictures, tmp_path):
    records = [
        Record(f"{n}", picture, texts=(f"{colour} bus", f"{colour} cat"), splits=("query" if n < 4 else "train",))
        for n, (picture, colour) in enumerate(zip(pictures, COLOURS, strict=True))
    ]
    report = measured(tiny_encoder, tmp_path / "m.jsonl", records)
    assert report.tasks == ()
    assert {task: found[:2] for task, found in figures(report).items()} == {
        "image->text": (4, 8),
        "text->image": (8, 4),
        "text->text": (8, 8),
    }
    assert report.notes == ("No mAP: no row is in the split 'database', which labels would search.",)
    assert {entry.codes for entry in report.bits} == {4, 8}
    assert report.notes[0] in to_markdown(report)
    assert all(path.is_file() for path in write(report, tmp_path / "report"))


def test_a_row_a_caption_is_the_same_as_a_list_of_captions(tiny_encoder, pictures, tmp_path):
    texts = [(f"{colour} bus", f"{colour} cat") for colour in COLOURS]
    lists = [
        Record(f"{n}", p, texts=t, splits=("query",)) for n, (p, t) in enumerate(zip(pictures, texts, strict=True))
    ]
    flat = [Record(f"{r.id} {text}", r.image, texts=(text,), splits=("query",)) for r in lists for text in r.texts]
    first, second = (
        measured(tiny_encoder, tmp_path / f"{name}.jsonl", rows) for name, rows in (("lists", lists), ("flat", flat))
    )
    assert first.pairs == second.pairs


def test_copies_are_no_rivals(tiny_encoder, pictures, tmp_path):
    records = [
        Record(f"{n}", picture, texts=(colour,), splits=("query",))
        for n, (picture, colour) in enumerate(zip(pictures, COLOURS, strict=True))
    ]
    alone = figures(measured(tiny_encoder, tmp_path / "alone.jsonl", records))
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    copied = [*records, Record("copy", str(tmp_path / "copy.png"), texts=(" red ",), splits=("query",))]
    assert figures(measured(tiny_encoder, tmp_path / "copied.jsonl", copied)) == alone
    other = [*records, Record("other", pictures[1], texts=("red",), splits=("query",))]  # a caption of two pictures
    found = figures(measured(tiny_encoder, tmp_path / "other.jsonl", other))
    assert found["text->image"][:2] == alone["text->image"][:2]
    assert found["text->image"][2][1] >= alone["text->image"][2][1]


def test_nothing_to_measure_is_said(tiny_encoder, pictures, tmp_path):
    records = [Record(f"{n}", picture, splits=("query",)) for n, picture in enumerate(pictures)]
    with pytest.raises(InputError, match="nothing can be measured"):
        measured(tiny_encoder, tmp_path / "m.jsonl", records)


def test_contents_go_by_words_and_bytes(tmp_path):
    assert len(set(same_texts(["a bus", "a  bus\n", "A bus"]).tolist())) == 2
    for name, content in {"a": b"12", "b": b"12", "c": b"21", "d": b"1", "empty": b"", "void": b""}.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in ("a", "b", "c", "d", "empty", "void", "gone", "a")]
    numbers = same_files(paths).tolist()
    assert numbers[0] == numbers[1] == numbers[7]
    assert len(set(numbers)) == 6  # files without a byte, and none at all, are nobody's copies
