"""The data set "emoji-video": Microsoft's animated Fluent emojis, with their English names and tags.

The layout is that of ``npm install emojibase-data@17`` with ``@lobehub/fluent-emoji-anim-1@1`` to ``-4@1`` in a folder:

- ``node_modules/@lobehub/fluent-emoji-anim-N/assets/CODE.webp``, N from 1 to 4: animated WebP, 256 x 256 pixels,
  transparent. The packages are under the MIT licence, and so are Microsoft's still drawings; of the animations no
  other statement was found;
- ``node_modules/emojibase-data``: see :mod:`milvus_hash_export.datasets.emojibase`, which also says what is left out.

The rules:

- Only files of more than one frame are rows: 734 of the 3,391; 1,520 more are variants in skin tones, of which 145
  are still, and 1,137 are still pictures. The id is the emoji's code.
- The text is ``LABEL. TAG, TAG`` in English; the label is the group. Two items are relevant to each other when they
  share it. Groups are uneven: 330 of people, 141 of smileys, 121 of animals, 116 of places, 26 of the four others.
- The split goes by emoji: ``query`` for 20 % by the hash of the code (a tenth would be few), else ``database`` and
  ``train``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.media import opening
from milvus_hash.record import Record
from milvus_hash_export.datasets.emojibase import INSTALL, plain_code, read_emojis
from milvus_hash_export.datasets.files import leave_out, need

_QUERY_PERCENT = 20


def emoji_video(root: Path) -> Iterator[Record]:
    """The rows of "emoji-video", in the order of emojibase.

    Args:
        root: The folder that holds ``node_modules``.

    Raises:
        InputError: When the first row is asked for: a package is missing.
    """
    packages = [root / "node_modules" / "@lobehub" / f"fluent-emoji-anim-{number}" for number in (1, 2, 3, 4)]
    folders = [need(package / "assets", INSTALL) for package in packages]
    paths = {plain_code(path.stem): path for folder in folders for path in sorted(folder.glob("*.webp"))}
    for entry in read_emojis(root, ("en",)):
        path = paths.get(entry.code)
        if path is not None and _is_animated(path):
            yield Record(
                id=entry.code,
                video=str(path),
                texts=entry.texts,
                labels=(entry.group,),
                splits=entry.splits(_QUERY_PERCENT),
                metadata={"emoji": entry.character, "subgroup": entry.subgroup, "licence": "MIT"},
            )


def _is_animated(path: Path) -> bool:
    try:
        contents = opening.read(path, str(path), "clip", every_frame=True)
        if contents is None:
            raise InputError("it is no WebP")
    except InputError as error:
        leave_out(str(path), f"it cannot be read: {error}")
        return False
    return bool(contents.durations)
