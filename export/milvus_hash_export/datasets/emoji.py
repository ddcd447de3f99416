"""The data set "emoji": two drawings of every emoji, its name and tags in chosen languages, its group and subgroup.

The layout is that of ``npm install emoji-datasource-google@16 openmoji@17 emojibase-data@17`` in a folder:

- ``node_modules/emoji-datasource-google/emoji.json``: a list of ``{"unified", "image", "has_img_google", ...}``, and
  ``img/google/64/IMAGE``: Google's Noto drawings, PNG of 64 x 64 pixels. The package is under the MIT licence, the
  drawings are Noto Emoji's, under Apache 2.0;
- ``node_modules/openmoji/color/svg/CODE.svg``: OpenMoji's drawings, under CC BY-SA 4.0: name the authors ("OpenMoji
  - the open-source emoji and icon project"). They are drawn as PNG of 256 x 256 pixels into ``openmoji-256``;
- ``node_modules/emojibase-data``: see :mod:`milvus_hash_export.datasets.emojibase`, which also says what is left out.

The rules:

- A row is a drawing; its id is ``noto/CODE`` or ``openmoji/CODE``. With those versions 3,820 rows: 1,906 and 1,914.
- The texts: ``LABEL. TAG, TAG`` of each language.
- The labels are the group and the subgroup (9 and 98). Two items are relevant to each other when they share a label;
  as a subgroup lies within one group, that means: when they share the group. The subgroup is there for methods that
  predict labels.
- The split goes by emoji, so that no emoji is on both sides: ``query`` for 10 % of them by the hash of the code, else
  ``database`` and ``train``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from milvus_hash.record import Record
from milvus_hash_export.datasets.emojibase import INSTALL, plain_code, read_emojis
from milvus_hash_export.datasets.files import need, read_json, wrong_layout
from milvus_hash_export.datasets.openmoji import OpenMoji

_LICENCES = {"noto": "Apache-2.0", "openmoji": "CC-BY-SA-4.0"}
_QUERY_PERCENT = 10


def emoji(root: Path, *, languages: str = "en") -> Iterator[Record]:
    """The rows of "emoji": per emoji the drawing of Noto, then that of OpenMoji.

    Args:
        root: The folder that holds ``node_modules``; OpenMoji's pictures are drawn below it.
        languages: Languages of emojibase-data, joined by commas; a text for each.

    Raises:
        InputError: When the first row is asked for: a package, or a language, is missing.
        MissingExtra: Likewise: resvg_py is needed to draw OpenMoji's SVG files.
    """
    vendors: dict[str, Callable[[str], Path | None]] = {
        "noto": noto_pictures(root).get,
        "openmoji": OpenMoji(root).get,
    }
    for entry in read_emojis(root, tuple(languages.split(","))):
        for vendor, get_picture in vendors.items():
            picture = get_picture(entry.code)
            if picture is not None:
                yield Record(
                    id=f"{vendor}/{entry.code}",
                    image=str(picture),
                    texts=entry.texts,
                    labels=(entry.group, entry.subgroup),
                    splits=entry.splits(_QUERY_PERCENT),
                    metadata={"emoji": entry.character, "licence": _LICENCES[vendor]},
                )


def noto_pictures(root: Path) -> dict[str, Path]:
    """Code of an emoji to the PNG of Noto that shows it.

    Raises:
        InputError: The package is missing, or not laid out as described.
    """
    package = root / "node_modules" / "emoji-datasource-google"
    folder = need(package / "img" / "google" / "64", INSTALL)
    rows = read_json(package / "emoji.json", INSTALL, list)
    try:
        paths = {plain_code(row["unified"]): folder / row["image"] for row in rows if row["has_img_google"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise wrong_layout(package / "emoji.json", error) from error
    return {code: path for code, path in paths.items() if path.is_file()}
