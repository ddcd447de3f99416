"""A question as arguments for a pymilvus client that is not this package's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from milvus_hash.arguments import plain
from milvus_hash.query.filters import check_condition
from milvus_hash.query.nearest import search_arguments
from milvus_hash.query.scope import Scope, check_limit
from milvus_hash.query.where import Where, narrowed
from milvus_hash.store.float_codes import as_floats
from milvus_hash.store.target import CODE, Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.store.driver import AnnSearchRequest


class RequestOptions(TypedDict, total=False):
    """What a plain search and a request of a hybrid one take beside modality and filter.

    Attributes:
        where: Values that the rows' metadata has to have, as for :meth:`milvus_hash.HashCollection.search`.
        filter_params: Values for ``{name}`` in the filter, on servers from 2.5 on.
        limit: Most hits, 1 to 16384 with the offset; 10 when absent.
        search_params: How hard an approximate index looks: ``{"nprobe": 128}``, ``{"ef": 200}``.
        field: The BINARY_VECTOR field with the codes; ``code`` when absent.
        floats: Whether it is a FLOAT_VECTOR field of 1 and -1, as in Milvus Lite 3. What comes back as a distance is
            then an inner product, which is ``bits - 2 * distance``.
    """

    where: Where
    filter_params: Mapping[str, Any] | None
    limit: int
    search_params: Mapping[str, int] | None
    field: str
    floats: bool


class PlainOptions(RequestOptions, total=False):
    """What a plain search takes beside modality and filter.

    Attributes:
        offset: Hits to leave out before them.
        output_fields: To return with the hits. When absent, item, modality and ordinal, or none where ``into`` is None,
            since a collection of another schema has no such fields. Milvus Lite 2 cannot return the field of the
            codes.
    """

    offset: int
    output_fields: Sequence[str]


@plain
def to_search(
    code: NDArray[np.uint8],
    into: str | None,
    filter: str,
    *,
    where: Where = None,
    filter_params: Mapping[str, Any] | None = None,
    limit: int = 10,
    offset: int = 0,
    output_fields: Sequence[str] | None = None,
    search_params: Mapping[str, int] | None = None,
    field: str = CODE,
    floats: bool = False,
) -> dict[str, Any]:
    """Keyword arguments of ``MilvusClient.search`` for ``code`` uint8 ``(bits // 8,)``, without ``collection_name``.

    Raises:
        InputError: Modality, limit, offset or filter cannot be used.
    """
    check_limit(limit, offset)
    if output_fields is None:
        output_fields = () if into is None else ("item", "modality", "ordinal")
    scope = Scope(
        check_condition(narrowed(filter, where)),
        into,
        filter_params=filter_params,
        output_fields=tuple(output_fields),
        params=search_params,
    )
    arguments = search_arguments(Target("", 8 * len(code), ""), scope, limit=limit, offset=offset)
    del arguments["collection_name"]
    arguments |= {"anns_field": field, "data": [code.tobytes()]}
    return as_floats(arguments) if floats else arguments


@plain
def to_ann_request(
    code: NDArray[np.uint8], into: str | None, filter: str, **options: Unpack[RequestOptions]
) -> AnnSearchRequest:
    """The same as one request of ``MilvusClient.hybrid_search``.

    Raises:
        InputError: Modality, limit or filter cannot be used.
    """
    from milvus_hash.store.driver import AnnSearchRequest

    asked = to_search(code, into, filter, **options)
    return AnnSearchRequest(
        data=asked["data"],
        anns_field=asked["anns_field"],
        param=asked["search_params"],
        limit=asked["limit"],
        expr=asked["filter"] or None,
        expr_params=asked.get("filter_params"),
    )
