"""The data set MS COCO (Lin et al., ECCV 2014), release 2014: 123,287 photographs, five captions each, 80 categories.

The layout is that of train2014.zip, val2014.zip and annotations_trainval2014.zip:

- ``train2014/COCO_train2014_TWELVEDIGITS.jpg``, ``val2014/COCO_val2014_TWELVEDIGITS.jpg``;
- ``annotations/captions_{train,val}2014.json``: ``{"images": [{"id", "file_name"}], "annotations": [{"image_id",
  "caption"}]}``;
- ``annotations/instances_{train,val}2014.json``: ``{"annotations": [{"image_id", "category_id"}], "categories":
  [{"id", "name"}]}``.

The labels are the categories of a picture's objects. The splits:

- ``hashing`` (the default): the 122,218 pictures with an object; 5,000 queries, the rest is the database, 10,000 of
  it train (MITH, torchcmh). Relevance: a shared label;
- ``karpathy``: ``dataset_coco.json`` of Karpathy's caption_datasets.zip names the split of all 123,287: 113,287
  train, 5,000 validate, 5,000 test, the test pictures being both ``query`` and ``database``. Relevance: a caption's own
  picture. Dual-Path drew a split of the same sizes by MATLAB's ``rng(1)``, which was not published as a list.

Licence: annotations CC BY 4.0, pictures under the terms of Flickr. Checked against: descriptions of the files and
readers of them in public repositories (not the archives themselves).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets.captions import read_karpathy
from milvus_hash_export.datasets.files import is_there, leave_out, need, read_json, wrong_layout
from milvus_hash_export.datasets.splits import Splits, draw

SOURCE = "unzip train2014.zip, val2014.zip and annotations_trainval2014.zip of cocodataset.org into --root"


@dataclass(slots=True)
class _Picture:
    path: Path
    texts: list[str] = field(default_factory=list)
    labels: dict[str, None] = field(default_factory=dict)


def coco(root: Path, *, split: str = "hashing", query: int = 5000, train: int = 10_000) -> Iterator[Record]:
    """The rows of MS COCO, in the order of the captions' files, training files first.

    Args:
        root: The folder that holds ``annotations``, ``train2014`` and ``val2014``.
        split: ``hashing`` or ``karpathy``.
        query: Number of queries of the split ``hashing``.
        train: Number of training pictures of the split ``hashing``.

    Raises:
        InputError: When the first row is asked for: a file or folder is missing, ``split`` is another, or there are
            fewer pictures than it needs.
    """
    pictures = {
        picture.path.name: picture
        for part in ("train", "val")
        for picture in _read_part(root, f"{part}2014")
        if (picture.labels or split == "karpathy") and _is_usable(picture)
    }
    splits = _splits(root, split, list(pictures), query, train)
    for name, picture in pictures.items():
        if name in splits:
            yield Record(
                id=picture.path.stem,
                image=str(picture.path),
                texts=tuple(picture.texts),
                labels=tuple(picture.labels),
                splits=splits[name],
            )
        else:
            leave_out(name, "dataset_coco.json does not name it")


def _splits(root: Path, split: str, names: list[str], query: int, train: int) -> dict[str, Splits]:
    if split == "hashing":
        return draw(names, query=query, train=train)
    if split == "karpathy":
        return {picture.filename: picture.splits for picture in read_karpathy(root / "dataset_coco.json")}
    raise InputError(f"split is {split!r}; only hashing and karpathy are known")


def _is_usable(picture: _Picture) -> bool:
    if not picture.texts:
        leave_out(picture.path.name, "it has no caption")
        return False
    return is_there(picture.path)


def _read_part(root: Path, part: str) -> list[_Picture]:
    folder = need(root / part, SOURCE)
    annotations = root / "annotations"
    captions = read_json(annotations / f"captions_{part}.json", SOURCE, dict)
    instances = read_json(annotations / f"instances_{part}.json", SOURCE, dict)
    try:
        names = {row["id"]: row["name"] for row in instances["categories"]}
        pictures = {row["id"]: _Picture(folder / row["file_name"]) for row in captions["images"]}
        for row in captions["annotations"]:
            if text := row["caption"].strip():
                pictures[row["image_id"]].texts.append(text)
        for row in instances["annotations"]:
            pictures[row["image_id"]].labels[names[row["category_id"]]] = None
    except (KeyError, TypeError, AttributeError) as error:
        raise wrong_layout(annotations, error) from error
    return list(pictures.values())
