"""Emojis with their names in many languages, groups and subgroups: the npm package emojibase-data (Unicode CLDR).

The layout, as version 17.0.0 has it (MIT licence; the names are Unicode's):

- ``node_modules/emojibase-data/LANGUAGE/data.json``: a list of ``{"hexcode", "emoji", "label", "tags", "group",
  "subgroup", "skins", ...}``, the same emojis in every language;
- ``node_modules/emojibase-data/meta/groups.json``: ``groups`` and ``subgroups``, number (as a string) to name.

Which emojis count: all but the variants in five skin tones (they stand under ``skins``: nearly the same picture five
times, which would make most of the set people), the group "component" (bare skin tones and hair) and what has no group
(the single letters that flags are made of). 1,914 of version 17.0.0 remain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milvus_hash_export.datasets.files import read_json, wrong_layout
from milvus_hash_export.datasets.splits import QUERY, TRAIN, Splits, is_query

INSTALL = "install the npm packages that docs/datasets.md names, with --root the folder that holds node_modules"

_LEFT_OUT = ("component",)
_GENDER = (  # in the order in which they are applied
    (re.compile(r"-200D-264[02]$"), ""),  # the signs for woman and man at the end of a sequence
    (re.compile(r"\b1F46[89]\b"), "1F9D1"),  # man and woman become person
)


@dataclass(frozen=True, slots=True)
class Emoji:
    """One emoji.

    Attributes:
        code: Its code points in capital hexadecimals joined by ``-``, without the presentation selector FE0F.
        character: The emoji itself.
        texts: For each language ``LABEL. TAG, TAG``.
        group: One of nine, like ``animals-nature``.
        subgroup: One of about a hundred, each within one group, like ``animal-bird``; no name is a group's too.
    """

    code: str
    character: str
    texts: tuple[str, ...]
    group: str
    subgroup: str

    def splits(self, query_percent: int) -> Splits:
        """``query``, or ``database`` and ``train``.

        An emoji's gender does not count: a woman farmer, a man farmer and a farmer, whose pictures are nearly the
        same, are on one side.
        """
        key = self.code
        for pattern, replacement in _GENDER:
            key = pattern.sub(replacement, key)
        return QUERY if is_query(key, query_percent) else TRAIN


def plain_code(code: str) -> str:
    """The code as :attr:`Emoji.code` has it; packages differ in where they write FE0F, and in the case.

    Example:
        >>> plain_code("2764-fe0f-200d-1f525"), plain_code("00a9-FE0F")
        ('2764-200D-1F525', '00A9')
    """
    return "-".join(point.zfill(4) for point in code.upper().split("-") if point != "FE0F")


def read_emojis(root: Path, languages: tuple[str, ...]) -> Iterator[Emoji]:
    """The emojis that count, in the order of the first language's file.

    Args:
        root: The folder that holds ``node_modules``.
        languages: Names of folders of the package, like ``en``, ``de`` or ``zh-hant``; one text each.

    Raises:
        InputError: A file is missing or not as described, or a language is not in the package.
    """
    package = root / "node_modules" / "emojibase-data"
    names = read_json(package / "meta" / "groups.json", INSTALL, dict)
    tables = [_read_language(package, language) for language in languages]
    try:
        for code, row in tables[0].items():
            group = names["groups"].get(str(row.get("group")))
            if group is not None and group not in _LEFT_OUT:
                texts = tuple(_join(table[code]) for table in tables if code in table)
                yield Emoji(code, row["emoji"], texts, group, names["subgroups"][str(row["subgroup"])])
    except (KeyError, TypeError, AttributeError) as error:
        raise wrong_layout(package, error) from error


def _read_language(package: Path, language: str) -> dict[str, dict[str, Any]]:
    source = f"{INSTALL}; languages are the folders of that package"
    path = package / language / "data.json"
    rows = read_json(path, source, list)
    try:
        return {plain_code(row["hexcode"]): row for row in rows}
    except (KeyError, TypeError, AttributeError) as error:
        raise wrong_layout(path, error) from error


def _join(row: dict[str, Any]) -> str:
    return ". ".join(part for part in (row["label"], ", ".join(row.get("tags", ()))) if part)
