"""The data set MIRFLICKR-25K (Huiskes and Lew, MIR 2008): 25,000 photographs with their tags, and 24 labels.

The layout is that of mirflickr25k.zip and mirflickr25k_annotations_v080.zip, the latter in a folder of its name:

- ``mirflickr/im1.jpg`` to ``im25000.jpg``;
- ``mirflickr/meta/tags/tags1.txt``, ...: a tag a line;
- ``mirflickr/doc/common_tags.txt``: lines ``TAG COUNT``, the 1,386 tags that occur at least 20 times;
- ``mirflickr25k_annotations_v080/LABEL.txt``: a picture's number a line. The 24 files without ``_r1`` in the name
  are the labels (what is visible at all); the 14 with it (what the picture is about) are not used, as in the papers.

The text is a picture's common tags, joined by commas. Pictures without a label or without a common tag are left out,
without a warning: 20,015 remain (DCMH). Relevance: a shared label. The split: 2,000 queries, the rest is the database,
10,000 of it train (DCMH; UCCH trains on 5,000). Papers with CLIP take the 24,581 pictures with a label and all tags.
Licence: each picture under a Creative Commons licence of its own, in ``mirflickr/meta/license``.
Checked against: readers of both archives in public repositories, one of which finds the 20,015 (not the archives).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets.files import is_there, leave_out, need, read_lines
from milvus_hash_export.datasets.splits import draw

SOURCE = (
    "unzip mirflickr25k.zip of press.liacs.nl/mirflickr into --root, and mirflickr25k_annotations_v080.zip into its "
    "folder mirflickr25k_annotations_v080"
)


def mirflickr(root: Path, *, query: int = 2000, train: int = 10_000) -> Iterator[Record]:
    """The rows of MIRFLICKR-25K, by number.

    Args:
        root: The folder that holds ``mirflickr`` and ``mirflickr25k_annotations_v080``.
        query: Number of queries.
        train: Number of training pictures.

    Raises:
        InputError: When the first row is asked for: a file or folder is missing, or there are fewer pictures.
    """
    folder = need(root / "mirflickr", SOURCE)
    labels = _read_labels(root / "mirflickr25k_annotations_v080")
    common = {line.split()[0] for line in read_lines(folder / "doc" / "common_tags.txt", SOURCE) if line}
    tags_of = need(folder / "meta" / "tags", SOURCE)
    rows = {}
    for number in sorted(labels):
        tags_file = tags_of / f"tags{number}.txt"
        if is_there(tags_file):
            tags = [tag for tag in dict.fromkeys(read_lines(tags_file, SOURCE)) if tag in common]
            if tags and is_there(folder / f"im{number}.jpg"):
                rows[f"im{number}"] = (tags, labels[number])
    splits = draw(rows, query=query, train=train)
    for identifier, (tags, own) in rows.items():
        yield Record(
            id=identifier,
            image=str(folder / f"{identifier}.jpg"),
            texts=(", ".join(tags),),
            labels=tuple(own),
            splits=splits[identifier],
        )


def _read_labels(folder: Path) -> dict[int, list[str]]:
    """Number of a picture to its labels, in alphabetical order."""
    files = [path for path in sorted(need(folder, SOURCE).glob("*.txt")) if "README" not in path.name.upper()]
    labels: dict[int, list[str]] = {}
    for path in files:
        if path.stem.endswith("_r1"):
            continue
        for number, line in enumerate(read_lines(path, SOURCE), start=1):
            if line.isdecimal():
                labels.setdefault(int(line), []).append(path.stem)
            elif line:
                leave_out(f"{path}, line {number}", "it is not the number of a picture")
    if not labels:
        raise InputError(f"{folder} holds no labels; {SOURCE}")
    return labels
