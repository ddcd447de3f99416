"""Plausible mistakes of who asks a collection, or changes what is there: each message names the next step."""

from __future__ import annotations

import asyncio
import datetime
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from milvus_hash import InputError, Query, Record, StoreError, quoted, to_frame
from milvus_hash.async_collection import AsyncHashCollection

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
GRAMMAR = 'write it as in year > 1990 and licence == "CC0"'


def case(name: str, method: str, kind: type[Exception], piece: str, *args: Any, **kwargs: Any) -> Any:
    """A call of a collection's method that cannot be meant so, and a piece of what it is answered."""
    return pytest.param(method, args, kwargs, kind, piece, id=f"{method} {name}")


def search(name: str, piece: str, kind: type[Exception] = InputError, **kwargs: Any) -> Any:
    return case(name, "search", kind, piece, **kwargs)


ARGUMENTS = [
    case(
        "without a name",
        "search",
        TypeError,
        "none can be without a name: write text=...",
        "a red flower",
    ),
    search("k", "there is no argument 'k', but 'limit'", TypeError, text="a", k=3),
    search("top_k", "there is no argument 'top_k', but 'limit'", TypeError, text="a", top_k=3),
    search("n_results", "there is no argument 'n_results', but 'limit'", TypeError, text="a", n_results=3),
    search("limt", "there is no argument 'limt', but 'limit'", TypeError, text="a", limt=3),
    search("expr", "there is no argument 'expr', but 'filter'", TypeError, text="a", expr="year > 3"),
    search("filters", "there is no argument 'filters', but 'filter'", TypeError, text="a", filters={"brand": "nike"}),
    search("query_texts", "there is no argument 'query_texts', but 'text'", TypeError, query_texts=["a"]),
    search("images", "there is no argument 'images', but 'image'", TypeError, images=["a.png"]),
    search("data", "there is no argument 'data'; the arguments are text, image", TypeError, data=[bytes(8)]),
    case("k", "search_many", TypeError, "there is no argument 'k', but 'limit'", [], k=3),
    case("text first", "within", TypeError, "2 arguments are given, and 1 can be without a name", "a red flower", 3),
    case("no radius", "within", TypeError, "radius is missing", text="a"),
    case("limit", "within", TypeError, "there is no argument 'limit'; the arguments are radius", 3, text="a", limit=3),
    case("page", "pages", TypeError, "there is no argument 'page', but 'after'", text="a", page=2),
    case("limit", "pages", TypeError, "there is no argument 'limit', but 'size'", text="a", limit=10),
    case("ids", "get", TypeError, "there is no argument 'ids', but 'items'", ids=["1"]),
    case("modality second", "get", TypeError, "write modality=...", ["1"], "image"),
    case("ids", "delete", TypeError, "there is no argument 'ids', but 'items'", ids=["1"]),
    case("fields as names", "update", TypeError, "the arguments are items, fields, modality", ["1"], {}, year=3),
    case("one mapping", "update", TypeError, "fields is missing", {"1": {"year": 3}}),
    case("a question", "facets", TypeError, "the arguments are field, into, filter, where", "brand", text="a"),
]
QUESTIONS = [
    search("nothing", "a question needs a text, image"),
    search("None", "nothing is given", text=None),
    search("a tuple of texts", "several sources are a list", text=("red", "blue")),
    search("an empty list", "at least one is needed", text=[]),
    search("an array of texts", "several texts are a list of strings", text=np.array(["red", "blue"])),
    search("a set of texts", "several texts are a list of strings", text={"red"}),
    search("a number", "the text is a int, not a string", text=3),
    search("a path as text", "not a string", text=Path("question.txt")),
    search("bytes", "not UTF-8", text=b"\xff"),
    search("blank", "the text is empty", text=" "),
    search("a weight as text", "a number other than 0 is needed", text=("red", "0.5")),
    search("parts that cancel", "change a weight or a part", text=[("red", 1), ("red", -1)]),
    search("a url", "https://x.org/a.png is an address", image="https://me:secret@x.org/a.png?token=secret"),
    search("a url as a path", "https://x.org/a.png is an address", image=Path("https://x.org/a.png?token=secret")),
    search("a bucket", "download the picture", image="s3://bucket/a.png"),
    search("a data uri", "base64.b64decode(", image="data:image/png;base64,iVBORw0KGgo="),
    search("base64", "base64.b64decode(", image="iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAA" * 9),
    search("a file that is not there", "nowhere.png does not exist; it is looked for in", image="nowhere.png"),
    search("an open text", "open it with mode 'rb'", image=io.StringIO("a picture")),
    search("a file read before", "seek(0) goes to its beginning", image=io.BytesIO()),
    search("numbers from 0 to 1", "(picture * 255).round().astype('uint8')", image=PIXELS / 255),
    search("channels first", "picture.transpose(1, 2, 0)", image=PIXELS.transpose(2, 0, 1)),
    search("a batch", "several pictures are a list", image=PIXELS[None]),
    search("a dict", "the picture is a dict: a path, the bytes of a file", image={"path": "a.png"}),
    search("frames", "the video is a ndarray: a path, the bytes of a file", video=[PIXELS, PIXELS]),
    search("hexadecimal", "the code is a str; 8 bytes", code="00" * 8),
    search("a list of bytes", "the code is a list; 8 bytes", code=[0] * 8),
    search("all codes", "encoder.encode_texts([...])[0] gives it", code=np.zeros((1, 8), np.uint8)),
    search("bits that are not packed", "encode with bits=64", code=np.zeros(64, np.uint8)),
    search("too short", "encode with bits=64", code=bytes(4)),
    search("a code as query", "encoder.query(...)", query=bytes(8)),
    search("a text as query", "encoder.query(...)", query="a red flower"),
    search("a query and a text", "cannot be mixed with other parts", query=Query(np.zeros(8, np.uint8)), text="a"),
    case("a text", "search_many", InputError, "queries is a str; a list of questions is needed", "red"),
    case("texts", "search_many", InputError, "make one with encoder.query(...)", ["red"]),
    case("one question", "search_many", InputError, "a list of questions is needed", Query(np.zeros(8, np.uint8))),
    case("a list of bytes", "search_codes", InputError, "as encoder.encode_texts([...]) gives them", [bytes(8)]),
]
ROWS = [
    search("into plural", "use one of image, video, text, vector, or None for all", text="a", into="images"),
    search("into several", "or None for all of them", text="a", into=["image", "text"]),
    search("no limit", "an integer from 1 to 16384", text="a", limit=None),
    search("limit 0", "an integer from 1 to 16384", text="a", limit=0),
    search("limit as text", "limit='10': an integer", text="a", limit="10"),
    search("too deep", "together they may reach 16384", text="a", limit=10_000, offset=10_000),
    search("filter None", "leave it out for all rows", text="a", filter=None),
    search("filter dict", 'give values as where={"licence": "CC0"}', text="a", filter={"brand": "nike"}),
    search("filter with one =", GRAMMAR, StoreError, text="a", filter="year = 2001"),
    search("filter of SQL", GRAMMAR, StoreError, text="a", filter="brand IS NOT NULL"),
    search("filter of Python", GRAMMAR, StoreError, text="a", filter="year in (2001, 2002)"),
    search("filter without quotes", GRAMMAR, StoreError, text="a", filter="brand == nike"),
    search("filter of another type", "values of the field's own type", StoreError, text="a", filter='year == "2001"'),
    search("filter half quoted", "bracket or quote is missing", text="a", filter='brand == "nike'),
    search("filter misspelt", "no row of", text="a", filter="yaer == 2001"),
    search("where as text", 'as in {"brand": "nike"}', text="a", where='brand == "nike"'),
    search("where with $gt", "or write a filter", text="a", where={"year": {"$gt": 2000}}),
    search("where with $and", "write a filter for it", text="a", where={"$and": [{"brand": "nike"}]}),
    search("where None", "leave the field out", text="a", where={"brand": None}),
    search("where a date", "a text, a number, a bool", text="a", where={"year": datetime.date(2020, 1, 1)}),
    search("where misspelt", "no row of", text="a", where={"brnd": "nike"}),
    search(
        "one output field",
        "output_fields is a str; a list of names is needed: write ['year']",
        text="a",
        output_fields="year",
    ),
    search("all output fields", "get(items) returns codes", text="a", output_fields=["*"]),
    search("a number of output fields", "a list of names is needed", text="a", output_fields=3),
    search("an output field misspelt", "no row of", text="a", output_fields=["yaer"]),
    search("search_params of pymilvus", "has 'metric_type'", text="a", search_params={"metric_type": "L2"}),
    search("search_params as text", 'as in {"nprobe": 128}', text="a", search_params="nprobe=3"),
    search("half an oversample", "an integer from 1 on", text="a", rescore=True, oversample=2.5),
    search("a code rescored", "ask with text=...", code=bytes(8), rescore=True),
    case("as a share", "within", InputError, "an integer from 0 to 64", 0.3, text="a"),
    case("size 0", "pages", InputError, "size=0: an integer from 1", 0, text="a"),
    case("after a number", "pages", InputError, "the last hit of the page before is needed", text="a", after=20),
    case("after a page", "pages", InputError, "page[-1]", text="a", after=[1, 2]),
    case("several fields", "facets", InputError, 'give one, as in "brand"', ["brand", "year"]),
    case("no field", "facets", InputError, 'give one, as in "brand"', None),
    case("a misspelt field", "facets", InputError, "no row of", "brnd"),
    case("an object", "facets", InputError, "no value to count", "size"),
    case("a filter that fails", "facets", StoreError, GRAMMAR, "brand", filter="year = 3"),
    case("a condition first", "count", InputError, "a condition is given as filter='year > 3'", "year > 3"),
    case("a dict first", "count", InputError, "use one of image", {"brand": "nike"}),
]
ITEMS = [
    case("one id", "get", InputError, "items is a str; a list of ids is needed: write ['1']", "1"),
    case("a number", "get", InputError, "item 1 is a int; an id is a text: write str(id)", [1]),
    case("an array of numbers", "get", InputError, "write str(id)", np.array([1, 2])),
    case("None", "get", InputError, "a list of ids is needed", None),
    case("a mapping", "get", InputError, "a list of ids is needed", {"id": "1"}),
    case("records", "get", InputError, "is a Record; an id is a text", [Record("1", texts="a")]),
    case("ids for keys", "existing", InputError, "make one with primary_key(item, modality, ordinal)", ["1"]),
    case("one id", "delete", InputError, "a list of ids is needed: write ['1']", "1"),
    case("nothing", "delete", InputError, "drop() deletes the whole collection"),
    case("a modality only", "delete", InputError, "which rows? name items or a filter", modality="image"),
    case("filter None", "delete", InputError, "a Milvus expression is needed", filter=None),
    case("a filter that fails", "delete", StoreError, GRAMMAR, filter="year = 3"),
    case("a plural", "delete", InputError, "use one of image", ["1"], modality="images"),
    case("a list of fields", "update", InputError, "values by name are needed", ["1"], [{"year": 3}]),
    case("no fields", "update", InputError, 'as in {"year": 2004}', ["1"], None),
    case("another type", "update", InputError, "not of type int: mend it, or leave it out", ["1"], {"year": "x"}),
    case("bytes", "update", InputError, "write it as a text or a number", ["1"], {"thumb": b"\x89PNG"}),
    case("the code", "update", InputError, "uses the field name(s) code itself", ["1"], {"code": bytes(8)}),
    case("a text", "ping", InputError, "timeout='2': seconds above 0 are needed", "2"),
]


def called(collection: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    answer = getattr(collection, method)(*args, **kwargs)
    if method == "pages":
        list(answer)


@pytest.mark.parametrize(("method", "args", "kwargs", "kind", "piece"), [*ARGUMENTS, *QUESTIONS, *ROWS, *ITEMS])
def test_a_collection(collection, refused, method, args, kwargs, kind, piece):
    with refused(kind, piece):
        called(collection, method, args, kwargs)


@pytest.mark.parametrize(("method", "args", "kwargs", "kind", "piece"), [*ARGUMENTS, ROWS[8], *ITEMS])
def test_one_that_is_awaited(collection, refused, method, args, kwargs, kind, piece):
    async def call() -> None:
        answer = getattr(AsyncHashCollection(collection), method)(*args, **kwargs)
        if method != "pages":
            await answer
            return
        async for _ in answer:
            pass

    with refused(kind, piece):
        asyncio.run(call())


def with_a_closed_file(collection: Any) -> None:
    file = io.BytesIO(b"a picture")
    file.close()
    collection.search(image=file)


OTHERS: list[Any] = [
    pytest.param(with_a_closed_file, InputError, "open it again", id="a closed file"),
    pytest.param(
        lambda collection: collection.search(query=collection.encoder.query(text="a", bits=32)),
        InputError,
        "encode with bits=64",
        id="a query of other bits",
    ),
    pytest.param(
        lambda collection: collection.get(collection.search(text="a")), InputError, "the item of a hit", id="get hits"
    ),
    pytest.param(
        lambda collection: collection.encoder.query("a red flower"), TypeError, "write bits=...", id="query unnamed"
    ),
    pytest.param(
        lambda collection: collection.encoder.query(text="a").to_search(k=3), TypeError, "'limit'", id="to_search k"
    ),
    pytest.param(lambda collection: quoted({"a": 1}), InputError, "a text, a number, a bool or a list", id="quoted"),
    pytest.param(
        lambda collection: to_frame(collection.get(["1"])), InputError, "as search() or search_many() gives", id="rows"
    ),
    pytest.param(lambda collection: to_frame([{"item": 1}]), InputError, "hits are needed", id="frame of dicts"),
]


@pytest.mark.parametrize(("mistake", "kind", "piece"), OTHERS)
def test_what_was_found_or_encoded(collection, refused, mistake, kind, piece):
    with refused(kind, piece):
        mistake(collection)
