"""Names of fields in filters and outputs: those of the metadata need not be declared, so that typing errors hide.

Milvus takes a name that it does not know for one of the dynamic field, and finds nothing. So where nothing was found,
and only there, it is asked whether any row has such a field.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from milvus_hash.arguments import listed
from milvus_hash.errors import AnswerTooLarge, InputError
from milvus_hash.query.expression import fields_in
from milvus_hash.query.hits import Hit
from milvus_hash.query.scope import MAX_LIMIT
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.schema import RESERVED
from milvus_hash.store.target import Target

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def check_output_names(names: Sequence[str] | None, declared: Collection[str]) -> None:
    """Refuse names that no field can have, on which Milvus Lite keeps trying until the deadline.

    Raises:
        InputError: A name is none, or the code is asked for: Milvus Lite fails on that, and ``get`` gives codes.
    """
    for name in [] if names is None else listed("output_fields", names, "names"):
        if name in ("code", "*"):
            raise InputError(f"output_fields: a search cannot return {name}; get(items) returns codes")
        if not is_name(name, declared):
            raise InputError(
                f"output_fields: {name!r} cannot be asked for by itself; leave output_fields out, which returns all"
            )


def is_name(name: object, declared: Collection[str]) -> bool:
    """Whether it can be the name of a field that a search returns."""
    return isinstance(name, str) and (name in declared or name == "$meta" or _NAME.fullmatch(name) is not None)


def check_names(
    target: Target, condition: str, names: Sequence[str] | None, declared: Collection[str], answers: Sequence[list[Hit]]
) -> Steps[None]:
    """Raise for a name that no row has, where the answers look as if there were one.

    Raises:
        InputError: Nothing was found and the filter has such a name, or no hit has an output field.
    """
    if not names and any(answers):
        return
    hits = [hit for some in answers for hit in some]
    known = {*declared, *RESERVED}
    if hits:
        asked = [name for name in names or () if name not in known and not any(name in hit.fields for hit in hits)]
        where = "output_fields"
    else:
        asked = [name for name in fields_in(condition) if name not in known]
        where = f"filter {condition!r}"
    for name in asked:
        yield from check_there(target, name, declared, where)


def check_there(target: Target, name: str, declared: Collection[str], where: str) -> Steps[None]:
    """Refuse the name of a field that is not declared and that no row has.

    Raises:
        InputError: The message begins with ``where`` it was given.
    """
    if name not in declared and name not in RESERVED and not (yield from _in_any_row(target, name)):
        raise InputError(
            f"{where}: no row of {target.name!r} has a field {name!r}; "
            f"declared are {', '.join(sorted(declared)) or 'none'}, get(items) shows the others of an item"
        )


def _in_any_row(target: Target, name: str) -> Steps[bool]:
    """Whether a row has the undeclared field, or there are no rows, or too many to look at in Milvus Lite."""
    doing = f"looking for a field {name!r} in {target.name!r}"
    any_row = {"collection_name": target.name, "filter": f'{target.pk} > ""'}
    if target.lite:  # which has no `exists`
        try:
            rows = yield Call(doing, "query", {**any_row, "output_fields": ["$meta"], "limit": MAX_LIMIT})
        except AnswerTooLarge:
            return True
        return not 0 < len(rows) < MAX_LIMIT or any(name in row for row in rows)
    having = {**any_row, "filter": f"exists {name}", "output_fields": [target.pk], "limit": 1}
    return bool((yield Call(doing, "query", having))) or not (yield Call(doing, "query", {**any_row, "limit": 1}))
