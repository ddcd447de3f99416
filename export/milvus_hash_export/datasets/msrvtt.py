"""The data set MSR-VTT (Xu et al., CVPR 2016): 10,000 video clips with twenty captions each, in 20 categories.

The layout is that of the archives train_val_videos.zip, test_videos.zip, train_val_annotation.zip (the file in it)
and test_videodatainfo.json.zip:

- ``TrainValVideo/video0.mp4`` to ``video7009.mp4``, ``TestVideo/video7010.mp4`` to ``video9999.mp4``;
- ``train_val_videodatainfo.json``, ``test_videodatainfo.json``: ``{"videos": [{"video_id", "category", "split",
  ...}], "sentences": [{"video_id", "caption", ...}]}``, where split is train, validate or test.

The label is the category, by its number: the file with the names could not be checked. Relevance: a shared label, or,
for R@K, a caption's own clip. The published split: 6,513 clips train, 497 validate, 2,990 test; the test clips are both
``query`` and ``database``, as they are what is searched. Licence: the clips are from YouTube, for research only.
Checked against: the set's own readme (in a public repository) and readers of the files (not the archives themselves).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from milvus_hash.record import Record
from milvus_hash_export.datasets.files import is_there, leave_out, need, read_json, wrong_layout
from milvus_hash_export.datasets.splits import PUBLISHED

SOURCE = "unpack the four archives of MSR-VTT into --root"

_PARTS = (("train_val_videodatainfo.json", "TrainValVideo"), ("test_videodatainfo.json", "TestVideo"))
_SPLITS = {"train": PUBLISHED["train"], "validate": PUBLISHED["val"], "test": PUBLISHED["test"]}


def msrvtt(root: Path) -> Iterator[Record]:
    """The rows of MSR-VTT, in the order of the two files.

    Args:
        root: The folder that holds the two JSON files, ``TrainValVideo`` and ``TestVideo``.

    Raises:
        InputError: A file or folder is missing or not as described, before the first row of its part.
    """
    for name, folder in _PARTS:
        yield from _read_part(root / name, need(root / folder, SOURCE))


def _read_part(path: Path, folder: Path) -> Iterator[Record]:
    content = read_json(path, SOURCE, dict)
    captions: dict[str, list[str]] = {}
    try:
        for row in content["sentences"]:
            if text := row["caption"].strip():
                captions.setdefault(row["video_id"], []).append(text)
        videos = [(row["video_id"], str(row["category"]), _SPLITS[row["split"]]) for row in content["videos"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise wrong_layout(path, error) from error
    for identifier, category, splits in videos:
        clip = folder / f"{identifier}.mp4"
        if identifier not in captions:
            leave_out(identifier, "it has no caption")
        elif is_there(clip):
            yield Record(
                id=identifier,
                video=str(clip),
                texts=tuple(captions[identifier]),
                labels=(category,),
                splits=splits,
            )
