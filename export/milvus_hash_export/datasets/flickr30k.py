"""The data set Flickr30k (Young, Lai, Hodosh and Hockenmaier, TACL 2014): 31,783 photographs, five captions each.

The layout: ``flickr30k-images/NAME.jpg`` (flickr30k-images.tar), and for the split that is asked for

- ``karpathy`` (the default): ``dataset_flickr30k.json`` of Karpathy's caption_datasets.zip, which holds the captions
  too: 29,000 pictures to train, 1,014 to validate, 1,000 to test;
- ``dual-path``: ``results_20130124.token``, lines ``NAME.jpg#NUMBER<tab>CAPTION``, and the lists of Flickr8k in
  ``Flickr8k_text`` (see :mod:`milvus_hash_export.datasets.flickr8k`). Pictures whose names stand in Flickr8k's
  test and dev lists test and validate, all others train: as ``split_Flickr30k.m`` of the authors of Dual-Path has it
  (layumi/Image-Text-Embedding); they report 29,783 pictures to train. Flickr8k's names end in ``_TENDIGITS`` more.

Relevance: a caption's own picture, and no other; there are no labels. The test pictures are both ``query`` and
``database``, as they are what is searched. Licence: the pictures are Flickr users', for research and education only.
Checked against: readers of these files in public repositories (not the archives themselves).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets.captions import Captioned, captioned_records, read_captions, read_karpathy
from milvus_hash_export.datasets.files import need
from milvus_hash_export.datasets.flickr8k import flickr8k_splits
from milvus_hash_export.datasets.splits import PUBLISHED

SOURCE = "unpack flickr30k-images.tar and flickr30k.tar.gz into --root"


def flickr30k(root: Path, *, split: str = "karpathy") -> Iterator[Record]:
    """The rows of Flickr30k, in the order of the captions' file.

    Args:
        root: The folder that holds ``flickr30k-images``.
        split: ``karpathy`` or ``dual-path``.

    Raises:
        InputError: When the first row is asked for: a file is missing, or ``split`` is another.
    """
    folder = need(root / "flickr30k-images", SOURCE)
    if split == "karpathy":
        pictures = read_karpathy(root / "dataset_flickr30k.json")
    elif split == "dual-path":
        pictures = _dual_path(root)
    else:
        raise InputError(f"split is {split!r}; only karpathy and dual-path are known")
    yield from captioned_records(folder, pictures)


def _dual_path(root: Path) -> list[Captioned]:
    # "1000092795_0c45df919e.jpg" of Flickr8k is "1000092795.jpg" of Flickr30k
    splits = {name.partition("_")[0]: value for name, value in flickr8k_splits(root).items()}
    captions = read_captions(root / "results_20130124.token", SOURCE)
    return [Captioned(name, texts, splits.get(Path(name).stem, PUBLISHED["train"])) for name, texts in captions.items()]
