"""Filters as users write them: their fields, their brackets, and what Milvus Lite must not be asked."""

from __future__ import annotations

import pytest

from milvus_hash.adopt.search import names_only
from milvus_hash.collection import CodeRow
from milvus_hash.errors import InputError
from milvus_hash.query.expression import fields_in, words
from milvus_hash.query.filters import check_condition

ENDS_LITE = [
    "n % 3 in [1, 2]",
    "n + 1 in [2]",
    "n - 1 not in [1]",
    "2 * n in [2]",
    "(n % 3) in [1, 2]",
    "n % (3) in [1]",
    "-1 in [1]",
    "year > 3 and (n + 1) in [1]",
    "array_length(tags) in [2]",
    "n / 0 == 1",
    "n % 0 == 1",
    "n % -0 == 1",
    "n / 00 == 1",
    "n % 0x0 == 1",
    "1 / 0 == 1",
    "1 in [1, 2]",
    '"a" in ["a"]',
    "true in [true]",
    "(n > 1) in [true]",
    "array_length(tags) + 1 in [2]",
    "n % (1 - 1) == 1",
    "n == 5 % (3 - 3)",
    "n % 0.5 == 1",
    "text like 1",
    "text like text",
    "text like {pattern}",
    "json_contains(tags)",
    "array_length()",
]
FINE = [
    "n in [1] and n % 3 == 1",
    "n % 3 == 1 and n in [1]",
    "n % 3 == 1 or n not in [1]",
    "((n)) in [1]",
    '(n > 2 - 1) and text in ["a % b", "1 / 0"]',
    'text not in ["a"]',
    "n + 0 == 1",
    "n / 10 == 0",
    "n % 3 == 1 && n in [1]",
    "n % -7 == 0 or n / (2) == 1",
    'text like "a%" or $meta["text"] in ["a / 0 in [1]"]',
    "n > 1 and n < 5 or n not in [3]",
]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("", []),
        ('a == "b and c" or d like \'e "f" %\'', ["a", "d"]),
        ("x in {list} and not exists y", ["x", "y"]),
        ('$meta["k"] == 1e5 AND TRUE', ["$meta"]),
        ('m["k"]["l"] > 0x1F && array_length (n) == 2', ["m", "n"]),
        ("price < 1e5 and year > 2.5E-3 or rate == .5e2", ["price", "year", "rate"]),
        ('array_contains(tags, "x") and json_contains_any(m["of"], ["a"])', ["tags", "m"]),
        ("exists year and flag == True and not Flag is null", ["year", "flag", "Flag"]),
        ("größe > 3 and _x1 == 'y\\'z'", ["größe", "_x1"]),
        ("orange == 1 or inside in [2]", ["orange", "inside"]),
        ("iso > 400 and interval == 3", ["iso", "interval"]),
        ('at > ISO "2025-01-01T00:00:00Z" and at + INTERVAL "P1D" < iso "2025-02-01"', ["at"]),
        ('text_match(title, "a b", minimum_should_match=2)', ["title"]),
    ],
)
def test_the_fields_of_a_filter(condition, names):
    assert fields_in(condition) == names


def test_a_filter_on_copied_fields_alone_goes_to_the_sidecar():
    copied = ["price", "tags", "year"]
    for condition in ("price < 1e5", 'array_contains(tags, "x")', "exists year", "not price in [1] and TRUE"):
        assert names_only(condition, copied)
    for condition in ("", "price < cost", 'text_match(tags, "a")', '$meta["price"] == 1', "exists colour"):
        assert not names_only(condition, copied)


@pytest.mark.parametrize("wrong", ["a in [1", "a == 1)", "(a == 1]", 'a == "b', "a == 'b\"", "a[1}", "'"])
def test_what_does_not_pair_up(wrong):
    with pytest.raises(InputError, match="a parenthesis, bracket or quote is missing"):
        words(wrong)


@pytest.mark.parametrize("wrong", [None, {"year": 3}, 3, b"year > 3", ["year > 3"]], ids=repr)
def test_what_is_no_expression(empty_collection, wrong):
    with pytest.raises(
        InputError, match=r"a Milvus expression is needed, such as .* where=.* leave it out for all rows"
    ):
        empty_collection.search(code=bytes(8), filter=wrong)


@pytest.mark.parametrize("condition", ENDS_LITE)
def test_what_would_end_milvus_is_refused(condition):
    with pytest.raises(InputError, match="would end Milvus Lite: "):
        check_condition(condition, lite=True)
    if not {"/", "%"}.intersection(condition) or " in " in condition:
        assert check_condition(condition, lite=False) == condition
    else:  # a server ends at a division by zero as well
        with pytest.raises(InputError, match="would end Milvus: write a number after"):
            check_condition(condition, lite=False)


@pytest.mark.parametrize("condition", FINE)
def test_what_milvus_lite_can_do_it_is_asked(lite_store, condition):
    collection = lite_store.create(fields={"n": int})
    collection.add_codes(CodeRow(str(n), "text", 0, bytes(8), {"n": n, "text": "a"}) for n in range(5))
    assert collection.count(filter=condition) <= 5
    assert collection.count() == 5
