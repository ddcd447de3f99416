"""The data set CUHK-PEDES (Li et al., CVPR 2017): pictures of 13,003 people, two descriptions each.

The layout, as the authors hand it out on request:

- ``imgs/FILE_PATH``, like ``imgs/CUHK01/0363004.png``;
- ``reid_raw.json``: a list of ``{"split", "captions": [...], "file_path", "processed_tokens", "id"}``, where split is
  train, val or test, and id is the person's number.

The label is the person's number. Relevance: the same person. The published splits go by person: 34,054 pictures (of
11,003 people) train, 3,078 validate, 3,074 test; the test pictures are both ``query`` and ``database``, as they are
what is searched. Licence: for academic research only.
Checked against: a description of the file with an entry of it, and readers in public repositories (not the file).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from milvus_hash.record import Record
from milvus_hash_export.datasets.files import is_there, leave_out, need, read_json
from milvus_hash_export.datasets.splits import PUBLISHED

SOURCE = "ask the authors for CUHK-PEDES (github.com/ShuangLI59/Person-Search-with-Natural-Language-Description)"


def cuhk_pedes(root: Path) -> Iterator[Record]:
    """The rows of CUHK-PEDES, in the order of the file.

    Args:
        root: The folder that holds ``imgs`` and ``reid_raw.json``.

    Raises:
        InputError: When the first row is asked for: the file or the folder is missing.
    """
    folder = need(root / "imgs", SOURCE)
    for number, row in enumerate(read_json(root / "reid_raw.json", SOURCE, list), start=1):
        try:
            record = _record(folder, row)
        except (KeyError, TypeError, AttributeError) as error:
            leave_out(f"entry {number} of reid_raw.json", f"it is not laid out like the others: {error!r}")
            continue
        if not record.texts:
            leave_out(record.id, "it has no caption")
        elif is_there(folder / row["file_path"]):
            yield record


def _record(folder: Path, row: dict[str, Any]) -> Record:
    return Record(
        id=row["file_path"].rpartition(".")[0],
        image=str(folder / row["file_path"]),
        texts=tuple(text for caption in row["captions"] if (text := caption.strip())),
        labels=(str(row["id"]),),
        splits=PUBLISHED[row["split"]],
    )
