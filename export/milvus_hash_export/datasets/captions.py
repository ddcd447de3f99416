"""What captioned sets have in common: caption files, and the splits of Karpathy and Fei-Fei (CVPR 2015)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from milvus_hash.record import Record
from milvus_hash_export.datasets.files import is_there, leave_out, read_json, read_lines, wrong_layout
from milvus_hash_export.datasets.splits import PUBLISHED, Splits

KARPATHY = "unzip caption_datasets.zip of cs.stanford.edu/people/karpathy/deepimagesent into --root"


class Captioned(NamedTuple):
    """One picture of Karpathy's file."""

    filename: str
    texts: tuple[str, ...]
    splits: Splits


def read_captions(path: Path, source: str) -> dict[str, tuple[str, ...]]:
    """File name of a picture to its captions, from lines ``FILENAME#NUMBER<tab>CAPTION``.

    A line of another form is left out, with a warning.

    Raises:
        InputError: The file is missing, or cannot be read.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(path, source), start=1):
        key, _, caption = line.partition("\t")
        name, mark, _ = key.rpartition("#")
        if line and not (mark and caption.strip()):
            leave_out(f"{path}, line {number}", "it is not FILENAME#NUMBER, a tab and a caption")
        elif line:
            captions.setdefault(name, []).append(caption.strip())
    return {name: tuple(texts) for name, texts in captions.items()}


def read_karpathy(path: Path) -> list[Captioned]:
    """The pictures of ``dataset_flickr8k.json``, ``dataset_flickr30k.json`` or ``dataset_coco.json``.

    The layout: ``{"images": [{"filename", "split", "sentences": [{"raw", ...}], ...}], "dataset"}``, where split is
    train, restval (of COCO: more training pictures), val or test.

    Raises:
        InputError: The file is missing or not laid out like that.
    """
    try:
        return [
            Captioned(
                row["filename"],
                tuple(text for sentence in row["sentences"] if (text := sentence["raw"].strip())),
                PUBLISHED[row["split"]],
            )
            for row in read_json(path, KARPATHY, dict)["images"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise wrong_layout(path, error) from error


def split_by_lists(lists: Mapping[str, Iterable[str]]) -> dict[str, Splits]:
    """Name of a picture to its splits, from the names that a list for train, val and test holds."""
    return {name: PUBLISHED[split] for split, names in lists.items() for name in names if name}


def captioned_records(folder: Path, pictures: Sequence[Captioned]) -> Iterator[Record]:
    """A record for each picture that has a caption and lies in ``folder``; for others a warning."""
    for picture in pictures:
        path = folder / picture.filename
        if not picture.texts:
            leave_out(picture.filename, "it has no caption")
        elif is_there(path):
            yield Record(id=path.stem, image=str(path), texts=picture.texts, splits=picture.splits)
