"""Values in filters: what a filter names is what it finds, on Milvus Lite and on a server."""

from __future__ import annotations

import json

import numpy as np
import pytest

from milvus_hash.collection import CodeRow
from milvus_hash.errors import InputError
from milvus_hash.query.filters import check_condition
from milvus_hash.query.quoting import is_quotable, one_of, quoted
from milvus_hash.query.walk import Reading, all_rows

ODD = [chr(number) for number in range(1, 160) if chr(number) != "\r"]
ODD += [
    "\r\n",
    "\\",
    "\\\\",
    "\\n",
    '"',
    '\\"',
    "'",
    "%",
    "_",
    "{x}",
    "\u2028",
    "\u2029",
    "😀",
    "\ufeff",
    "漢",
    "\\\n",
    "\n\n",
]
TEXTS = [f"a{odd}b" for odd in ODD] + ["a", "ab"]


def test_a_quoted_text_finds_itself_and_nothing_else(flat_store):
    collection = flat_store.create(fields={"who": str})
    lite = flat_store.uri.endswith(".db")
    texts = list(dict.fromkeys(TEXTS))
    rows = [CodeRow(f"i{n}", "text", 0, np.zeros(8, np.uint8), {"who": text}) for n, text in enumerate(texts)]
    collection.add_codes(rows)
    for start in range(0, len(texts), 40):
        some = texts[start : start + 40]
        reading = Reading(collection.name, "pk", lite, ("who",), where=one_of("who", some, lite=lite))
        assert {row["who"] for row in collection.table.run(all_rows(reading))} == set(some)
    for n, text in enumerate(texts):
        condition = f"who == {json.dumps(text, ensure_ascii=False)}"  # as a user writes it, for either
        found = collection.search(code=bytes(8), into="text", filter=condition, limit=3)
        assert [hit.item for hit in found] == [f"i{n}"], condition


def test_a_carriage_return_alone_is_refused_on_milvus_lite_only():
    assert quoted("a\rb", lite=False) == '"a\\rb"'
    assert not is_quotable("a\rb", lite=True)
    with pytest.raises(InputError, match="carriage return, which no filter of Milvus Lite can name"):
        quoted("a\rb", lite=True)
    with pytest.raises(InputError, match="carriage return"):
        check_condition(r'who == "a\rb"', lite=True)


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        (r'who == "a\tb" and year > 3', 'who == "a\tb" and year > 3'),
        (r"who == 'a\x41\u00e9\101'", 'who == "aAéA"'),
        (r'who like "100\\%"', r'who like "100\\%"'),
        (r'who == "\\n" or who == "\n"', 'who == "\\\\n" or who == "\\\n"'),
        (r'who == "\ud83d\ude00"', 'who == "😀"'),
        (r'who in ["it\'s", "\"\t\""]', 'who in ["it\\\'s", "\\"\t\\""]'),
    ],
)
def test_escapes_of_a_filter_are_resolved_for_milvus_lite(condition, meant):
    assert check_condition(condition, lite=True) == meant
    assert check_condition(condition) == condition


def test_items_with_more_rows_than_a_search_gives_are_grouped_whatever_their_names(lite_store):
    collection = lite_store.create()
    names = ["line\nbreak", "car\rriage", 'quo"te\t', "it's"]
    near, far = np.zeros(8, np.uint8), np.full(8, 255, np.uint8)
    for name in names:
        collection.add_codes(CodeRow(name, "text", n, near) for n in range(5000))
    collection.add_codes([CodeRow("other", "text", 0, far)])
    hits = collection.search(code=near, into="text", limit=5, by_item=True)
    assert [hit.item for hit in hits] == [*sorted(names), "other"]
    assert len(collection.within(0, code=near, into="text")) == 20_000
    assert [len(collection.get([name])) for name in names] == [5000] * 4
