r"""The data set NUS-WIDE (Chua et al., CIVR 2009): 269,648 photographs with their tags, and 81 concepts.

The layout is that of ImageList.zip, ConceptsList.zip, Groundtruth.zip and NUS_WID_Tags.zip, each in a folder of its
name, and of the pictures as they are handed out:

- ``ImageList/Imagelist.txt``: a line ``FOLDER\NAME.jpg`` for each picture; the line's number is its place below;
- ``Flickr/FOLDER/NAME.jpg``;
- ``ConceptsList/Concepts81.txt``: a concept a line; ``Groundtruth/AllLabels/Labels_CONCEPT.txt``: 0 or 1 a line;
- ``NUS_WID_Tags/TagList1k.txt``: 1,000 tags, one a line; ``NUS_WID_Tags/AllTags1k.txt``: a line of 1,000 times 0 or 1
  for each picture. ``Groundtruth/TrainTestLabels`` is not read; it has a line that is neither 0 nor 1.

The text is a picture's tags out of the 1,000, joined by commas; the labels are its concepts out of the 21 that most
pictures have. Pictures without one of both are left out, without a warning: 190,421 remain (MITH); papers that count
195,834 keep pictures without a tag. Relevance: a shared label. The split: 2,100 queries, the rest is the database,
10,500 of it train (MITH, torchcmh). UCCH takes 10 concepts, 2,100 queries and 5,000 to train.
Licence: the pictures are Flickr users'; they are handed out on request, for research only.
Checked against: the official listing (github.com/NExTplusplus/NUS-WIDE) and readers of the archives in public
repositories, one of which finds both counts (not the archives themselves).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets.files import is_there, leave_out, need, read_lines
from milvus_hash_export.datasets.splits import draw

SOURCE = "unzip the archives of NUS-WIDE into folders of their names in --root"


def nus_wide(root: Path, *, concepts: int = 21, query: int = 2100, train: int = 10_500) -> Iterator[Record]:
    """The rows of NUS-WIDE, in the order of the image list.

    Args:
        root: The folder that holds ``ImageList``, ``Flickr``, ``ConceptsList``, ``Groundtruth`` and ``NUS_WID_Tags``.
        concepts: How many of the concepts count, the most frequent ones.
        query: Number of queries.
        train: Number of training pictures.

    Raises:
        InputError: When the first row is asked for: a file or folder is missing, two files that belong together have
            different numbers of lines, or there are fewer pictures than the split needs.
    """
    folder = need(root / "Flickr", f"{SOURCE}; the pictures are handed out on request")
    names = [line.replace("\\", "/") for line in read_lines(root / "ImageList" / "Imagelist.txt", SOURCE)]
    labels = _read_labels(root, len(names), concepts)
    rows = {}
    for index, tags in enumerate(_read_tags(root / "NUS_WID_Tags", len(names))):
        if tags and index in labels and is_there(folder / names[index]):
            rows[names[index].removesuffix(".jpg")] = (tags, labels[index])
    splits = draw(rows, query=query, train=train)
    for identifier, (tags, own) in rows.items():
        yield Record(
            id=identifier,
            image=str(folder / f"{identifier}.jpg"),
            texts=(tags,),
            labels=tuple(own),
            splits=splits[identifier],
        )


def _read_labels(root: Path, length: int, concepts: int) -> dict[int, list[str]]:
    """Place of a picture to its labels, the most frequent first."""
    members: dict[str, list[int]] = {}
    for concept in filter(None, read_lines(root / "ConceptsList" / "Concepts81.txt", SOURCE)):
        path = root / "Groundtruth" / "AllLabels" / f"Labels_{concept}.txt"
        flags = read_lines(path, SOURCE)
        _check_length(path, len(flags), length)
        members[concept] = [index for index, flag in enumerate(flags) if flag == "1"]
    labels: dict[int, list[str]] = {}
    for concept in sorted(members, key=lambda name: -len(members[name]))[:concepts]:
        for index in members[concept]:
            labels.setdefault(index, []).append(concept)
    return labels


def _read_tags(folder: Path, length: int) -> Iterator[str]:
    """For each picture its tags, joined by commas; a line that cannot be read is one without tags, with a warning."""
    names = [line for line in read_lines(folder / "TagList1k.txt", SOURCE) if line]
    path = need(folder / "AllTags1k.txt", SOURCE)
    number = 0
    with path.open(encoding="ascii", errors="replace") as lines:  # half a gigabyte: not read at once
        for number, line in enumerate(lines, start=1):
            flags = line.split()
            if len(flags) == len(names):
                yield ", ".join(compress(names, (flag == "1" for flag in flags)))
            else:
                leave_out(f"{path}, line {number}", f"it has {len(flags)} numbers for {len(names)} tags")
                yield ""
    _check_length(path, number, length)


def _check_length(path: Path, found: int, length: int) -> None:
    if found != length:
        raise InputError(f"{path} has {found:,} lines and Imagelist.txt {length:,}; download both again")
