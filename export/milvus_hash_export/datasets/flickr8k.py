"""The data set Flickr8k (Hodosh, Young and Hockenmaier, JAIR 2013): photographs with five captions each.

The layout is that of Flickr8k_Dataset.zip and Flickr8k_text.zip, the latter in a folder of its name:

- ``Flicker8k_Dataset/NAME.jpg`` (spelled like that);
- ``Flickr8k_text/Flickr8k.token.txt``: lines ``NAME.jpg#NUMBER<tab>CAPTION``;
- ``Flickr8k_text/Flickr_8k.trainImages.txt``, ``Flickr_8k.devImages.txt`` and ``Flickr_8k.testImages.txt``: one
  ``NAME.jpg`` a line, 6,000, 1,000 and 1,000 of the 8,092 pictures with captions; the other 92 are left out.

Relevance: a caption's own picture, and no other; there are no labels. The test pictures are both ``query`` and
``database``, as they are what is searched. Licence: the pictures are Flickr users', for research only.
Checked against: listings and readers of the two archives in public repositories (not the archives themselves).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from milvus_hash.record import Record
from milvus_hash_export.datasets.captions import Captioned, captioned_records, read_captions, split_by_lists
from milvus_hash_export.datasets.files import need, read_lines
from milvus_hash_export.datasets.splits import Splits

SOURCE = "unzip Flickr8k_Dataset.zip into --root, and Flickr8k_text.zip into its folder Flickr8k_text"


def flickr8k(root: Path) -> Iterator[Record]:
    """The rows of Flickr8k, in the order of the lists.

    Args:
        root: The folder that holds ``Flicker8k_Dataset`` and ``Flickr8k_text``.

    Raises:
        InputError: When the first row is asked for: a file or folder is missing.
    """
    folder = need(root / "Flicker8k_Dataset", SOURCE)
    captions = read_captions(root / "Flickr8k_text" / "Flickr8k.token.txt", SOURCE)
    splits = flickr8k_splits(root)
    yield from captioned_records(folder, [Captioned(name, captions.get(name, ()), splits[name]) for name in splits])


def flickr8k_splits(root: Path) -> dict[str, Splits]:
    """File name of a picture to its splits, from the three lists in ``root/Flickr8k_text``.

    Raises:
        InputError: A list is missing.
    """
    lists = {"train": "trainImages", "val": "devImages", "test": "testImages"}
    return split_by_lists(
        {split: read_lines(root / "Flickr8k_text" / f"Flickr_8k.{name}.txt", SOURCE) for split, name in lists.items()}
    )
