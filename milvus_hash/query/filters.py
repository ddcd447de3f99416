"""The filter of a search: the rows of one modality that meet the user's condition."""

from __future__ import annotations

import re
from typing import Any

from milvus_hash.errors import InputError, StoreError
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.query.harmless import check_harmless
from milvus_hash.query.quoting import as_lite_reads
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.target import Target

_TEMPLATES_SINCE = (2, 5)
_LITE_3 = re.compile("milvus_lite")  # it gives a version of its own


def check_modality(modality: str | None) -> str | None:
    """A modality that there is, or None for all of them.

    Raises:
        InputError: It is unknown.
    """
    if modality is not None and (not isinstance(modality, str) or modality not in MODALITIES):
        condition = isinstance(modality, str) and not modality.replace("-", "").isalnum()
        raise InputError(
            f"unknown modality {modality!r:.60}; use one of {', '.join(MODALITIES)}, or None for all of them"
            + (f"; a condition is given as filter={modality!r:.60}" if condition and modality else "")
        )
    return modality


def of_modality(modality: str | None) -> str:
    """The filter for rows of one modality; empty, which is all rows, for None.

    Raises:
        InputError: The modality is unknown.
    """
    check_modality(modality)
    return "" if modality is None else f'modality == "{modality}"'


def rows_of_modality(target: Target, modality: str | None, condition: str) -> dict[str, Any]:
    """Arguments of a search or query for the rows of one modality that meet a condition.

    Where the modality has a partition, naming it costs nothing; a filter looks at every row.

    Raises:
        InputError: The modality is unknown.
    """
    check_modality(modality)
    if modality is None or modality not in target.partitions:
        return {"filter": both(of_modality(modality), condition)}
    return {"filter": condition, "partition_names": [modality]}


def check_condition(condition: str, *, lite: bool = False) -> str:
    """The user's ``condition``, stripped, once it is sure that it can be put into parentheses.

    Args:
        condition: A Milvus expression, or nothing.
        lite: Whether it is for Milvus Lite, which is told of escapes in texts what a server knows by itself.

    Raises:
        InputError: It is no text, its parentheses, brackets and quotes do not pair up, Milvus would end over it, or
            Milvus Lite cannot read a text in it.
    """
    if condition == "":
        return ""
    check_harmless(condition, lite=lite)
    return as_lite_reads(condition.strip()) if lite else condition.strip()


def check_templates(target: Target) -> Steps[None]:
    """Refuse ``filter_params`` where Milvus would ignore them, or fail to parse the filter.

    Raises:
        StoreError: The collection is in Milvus Lite, or on a server before 2.5.
    """
    where = "Milvus Lite"
    if not target.lite:
        version = yield Call("asking for the version", "get_server_version", read=False)
        number = re.match(r"v?(\d+)\.(\d+)", version)
        templates = (int(number[1]), int(number[2])) >= _TEMPLATES_SINCE if number else not _LITE_3.match(version)
        if templates:  # also in Zilliz Cloud, which gives no number
            return
        where = f"Milvus {version.removeprefix('v')}" if number else where
    raise StoreError(
        f"{where} has no filter templates (servers have them from 2.5 on): leave filter_params out and write the "
        'values into the filter, texts in double quotes with \\ before each " and \\ of theirs'
    )


def asking(condition: str, otherwise: str) -> str:
    """What a call with the user's condition is for, as the message of an error should begin.

    Example:
        >>> asking("year >", "searching"), asking("", "searching")
        ("the filter 'year >' on", 'searching')
    """
    return f"the filter {condition!r} on" if condition else otherwise


def both(first: str, second: str) -> str:
    """A filter that wants both conditions, either of which may be empty.

    Example:
        >>> both("pk > 7", "year == 3 or year == 4")
        '(pk > 7) and (year == 3 or year == 4)'
    """
    return f"({first}) and ({second})" if first and second else first or second
