"""A search from queries to hits, as steps: which rows are candidates, how they are ordered, which are returned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from milvus_hash.arguments import check_arguments, listed
from milvus_hash.codes import Codes
from milvus_hash.errors import InputError
from milvus_hash.names import ModalityName
from milvus_hash.query.fields import check_names, check_output_names
from milvus_hash.query.filters import check_condition, check_modality, check_templates
from milvus_hash.query.group import first_of_each_item, nearest_items
from milvus_hash.query.hits import Hit, Hits, to_hits
from milvus_hash.query.nearest import nearest
from milvus_hash.query.rescore import check_rescoring, rescored
from milvus_hash.query.rows import of_other_items
from milvus_hash.query.scope import MAX_LIMIT, Scope, check_limit
from milvus_hash.query.stored import with_codes
from milvus_hash.query.where import Where, narrowed
from milvus_hash.query.within import complete_nearest, following, within
from milvus_hash.question import Query, check_query
from milvus_hash.store.call import Steps
from milvus_hash.store.index import check_search
from milvus_hash.store.rows import leave_out_absent
from milvus_hash.store.schema import encode_item, primary_key
from milvus_hash.store.target import Target

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RowOptions(TypedDict, total=False):
    """Keyword arguments that say which rows are looked at, and what is returned of them.

    Attributes:
        into: ``image``, ``text``, ``video`` or ``vector``, ``image`` when absent; None for rows of all of them.
        filter: A Milvus expression over the metadata, for instance ``'licence == "CC0"'``.
        where: Values that the rows' metadata has to have: ``{"brand": "nike", "size": [41, 42]}``, a list for any of
            its values. They are quoted: with what users type, no more than a value is looked for.
        filter_params: Values for ``{name}`` in the filter, on servers from 2.5 on.
        exclude: Items whose rows are left out, for instance because they are shown already.
        output_fields: Metadata to return with the hits; all of it when absent.
    """

    into: ModalityName | None
    filter: str
    where: Where
    filter_params: Mapping[str, Any] | None
    exclude: Sequence[str]
    output_fields: Sequence[str] | None


class SearchOptions(RowOptions, total=False):
    """Keyword arguments of a search: those of :class:`RowOptions`, and how many hits, how hard to look, in what order.

    Attributes:
        limit: Most hits, 1 to 16384; together with ``offset`` too. 10 when absent.
        offset: Hits to leave out before them.
        search_params: How hard an approximate index looks: ``{"nprobe": 128}`` for BIN_IVF_FLAT (1 to its number
            of lists), ``{"ef": 200}`` for HNSW; what :func:`milvus_hash.tune` found for this collection, else
            the defaults, when absent.
        rescore: Fetch ``oversample`` times as many rows, and order them again by the question's logits against
            their stored bits. A hit's score is then of that, and hits are ordered by it.
        oversample: Rows per hit asked for that are fetched to rescore, up to 16384 in all; 4 when absent.
        by_item: One hit an item, its best row: limit and offset count items.
        complete: Also return every other hit at the distance of the last one, however many, so that the answer
            does not depend on Milvus; with ``rescore`` it is the candidates that are complete. Go on with
            ``offset + len(hits)``.
    """

    limit: int
    offset: int
    search_params: Mapping[str, int] | None
    rescore: bool
    oversample: int
    by_item: bool
    complete: bool


@dataclass(frozen=True, slots=True)
class Options:
    """What a search is asked besides its queries; :class:`SearchOptions` says what each one means."""

    into: ModalityName | None = "image"
    limit: int = 10
    offset: int = 0
    filter: str = ""
    where: Where = None
    filter_params: Mapping[str, Any] | None = None
    exclude: Sequence[str] = ()
    output_fields: Sequence[str] | None = None
    search_params: Mapping[str, int] | None = None
    rescore: bool = False
    oversample: int = 4
    by_item: bool = False
    complete: bool = False


def options_of(**options: Unpack[SearchOptions]) -> Options:
    """The options of a search.

    Raises:
        TypeError: There is no such option.
    """
    check_arguments(options, Options.__dataclass_fields__)
    return Options(**options)


def find(target: Target, queries: Sequence[Query], options: Options, fields: Mapping[str, type]) -> Steps[list[Hits]]:
    """The hits of each query.

    Args:
        target: Where.
        queries: What is asked for; of the target's bits.
        options: Which rows, how many, in what order.
        fields: The collection's declared metadata fields.

    Raises:
        InputError: A query or an option cannot be used, or names a field that no row has.
        StoreError: Milvus failed, or lacks what was asked for.
    """
    check_limit(options.limit, options.offset)
    if options.search_params is not None:
        check_search(target.index, options.search_params)
    queries = listed("queries", queries, "questions")
    asked = [check_query(query, target.bits).code for query in queries]
    if options.rescore:
        check_rescoring(options.oversample, queries)
    scope = _scope(target, options, fields)
    if options.filter_params is not None:
        yield from check_templates(target)
    if not asked:
        return []
    if options.rescore or options.by_item or options.complete:
        answers = yield from _find(target, queries, np.array(asked), scope, options)
    else:
        found = yield from nearest(target, asked, scope, limit=int(options.limit), offset=int(options.offset))
        answers = [to_hits(rows, target.bits) for rows in found]
    yield from check_names(target, scope.filter, options.output_fields, fields, answers)
    return _without_absent(answers, fields)


def _find(
    target: Target, queries: Sequence[Query], codes: Codes, scope: Scope, options: Options
) -> Steps[list[list[Hit]]]:
    """Fetch candidates, order them, group them, and cut out what was asked for."""
    wanted = int(options.limit) + int(options.offset)
    if options.rescore:
        wanted = min(wanted * options.oversample, MAX_LIMIT)
        scope = with_codes(target, scope)
    if options.by_item:
        found = yield from nearest_items(target, codes, scope, limit=wanted, complete=options.complete)
    else:
        found = yield from (complete_nearest if options.complete else nearest)(target, codes, scope, limit=wanted)
    if options.rescore:
        answers = yield from rescored(target, queries, found)
    else:
        answers = [to_hits(rows, target.bits) for rows in found]
    if options.by_item:
        answers = [first_of_each_item(hits) for hits in answers]
    return [_page(hits, options) for hits in answers]


def find_within(target: Target, query: Query, radius: int, options: Options, fields: Mapping[str, type]) -> Steps[Hits]:
    """Every row within Hamming distance ``radius`` of the query, ordered by (distance, item, ordinal).

    Of ``options``, those of :class:`RowOptions` count.

    Raises:
        InputError: The query, the radius or an option cannot be used.
        StoreError: Milvus failed, has no filter templates, or the index cannot be made exact.
    """
    if isinstance(radius, bool) or not hasattr(radius, "__index__") or not 0 <= radius <= target.bits:
        raise InputError(f"radius={radius!r}: an integer from 0 to {target.bits}, the bits of a code, is needed")
    code = check_query(query, target.bits).code.tobytes()
    scope = _scope(target, options, fields)
    if options.filter_params is not None:
        yield from check_templates(target)
    rows = yield from within(target, code, scope, most=int(radius))
    hits = to_hits(rows, target.bits)
    yield from check_names(target, scope.filter, options.output_fields, fields, [hits])
    return _without_absent([hits], fields)[0]


def find_after(
    target: Target, query: Query, after: Hit | None, size: int, options: Options, fields: Mapping[str, type]
) -> Steps[Hits]:
    """The ``size`` hits that come after another one in the order of distance and primary key; see :func:`find_within`.

    Raises:
        InputError: The query, the hit, the size or an option cannot be used.
        StoreError: Milvus failed, has no filter templates, or the index cannot be made exact.
    """
    check_limit(size, called="size")
    if after is not None and not isinstance(after, Hit):
        raise InputError(
            f"after is a {type(after).__name__}: the last hit of the page before is needed, page[-1], or None for the "
            "first page"
        )
    code = check_query(query, target.bits).code.tobytes()
    scope = _scope(target, options, fields)
    if options.filter_params is not None:
        yield from check_templates(target)
    place = None if after is None else (after.distance, _key(after))
    rows = yield from following(target, code, scope, place, int(size))
    hits = sorted(to_hits(rows, target.bits), key=lambda hit: (hit.distance, _key(hit)))
    if after is None:
        yield from check_names(target, scope.filter, options.output_fields, fields, [hits])
    return _without_absent([Hits(hits)], fields)[0]


def _key(hit: Hit) -> str:
    return primary_key(hit.item, hit.modality, hit.ordinal)


def _without_absent(answers: list[list[Hit]], fields: Mapping[str, type]) -> list[Hits]:
    """The same hits, with those declared fields only for which the row has a value."""
    for hits in answers if fields else ():
        for hit in hits:
            leave_out_absent(hit.fields, fields)
    return [Hits(hits) for hits in answers]


def _scope(target: Target, options: Options, fields: Collection[str]) -> Scope:
    names = options.output_fields
    check_output_names(names, fields)
    return Scope(
        filter=check_condition(narrowed(options.filter, options.where), lite=target.lite),
        modality=check_modality(options.into),
        where=_excluded(options.exclude, lite=target.lite),
        filter_params=options.filter_params,
        output_fields=(*fields, "$meta") if names is None else tuple(names),
        params=options.search_params,
    )


def _excluded(items: Sequence[str], *, lite: bool) -> str:
    if isinstance(items, str):
        raise InputError(f"exclude takes a list of items; write [{items!r}]")
    return of_other_items([item for item in items if encode_item(item)], lite=lite) if items else ""


def _page(hits: list[Hit], options: Options) -> list[Hit]:
    """The hits that were asked for, of those up to the last of them and maybe beyond."""
    end = options.offset + options.limit
    if options.complete and not options.rescore:
        while end < len(hits) and hits[end].distance == hits[end - 1].distance:
            end += 1
    return hits[options.offset : end]
