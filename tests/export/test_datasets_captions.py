"""Captioned data sets from small trees in their published layouts."""

from __future__ import annotations

import pytest
from dataset_trees import write_tree

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets import DATASETS

TRAIN, VAL, TEST = ("train",), ("val",), ("query", "database")
FLICKR8K = {
    "Flicker8k_Dataset/11_a.jpg": None,
    "Flicker8k_Dataset/22_b.jpg": None,
    "Flicker8k_Dataset/33_c.jpg": None,
    "Flicker8k_Dataset/44_d.jpg": None,
    "Flickr8k_text/Flickr8k.token.txt": (
        "11_a.jpg#0\tA child climbs .\n11_a.jpg#1\tStairs .\n22_b.jpg#0\tA dog .\n33_c.jpg#0\tSnow .\n"
        "44_d.jpg#0\tIn no list .\n44_d.jpg.1#0\tA name like one of the real file's .\n"
    ),
    "Flickr8k_text/Flickr_8k.trainImages.txt": "11_a.jpg\n",
    "Flickr8k_text/Flickr_8k.devImages.txt": "22_b.jpg\n",
    "Flickr8k_text/Flickr_8k.testImages.txt": "33_c.jpg\n",
}
FLICKR30K = {
    **{f"flickr30k-images/{name}.jpg": None for name in ("11", "22", "33", "44")},
    "results_20130124.token": "".join(f"{name}.jpg#{n}\tCaption {n} .\n" for name in (11, 22, 33, 44) for n in (0, 1)),
    "dataset_flickr30k.json": {
        "dataset": "flickr30k",
        "images": [
            {
                "sentids": [0, 1],
                "imgid": 0,
                "filename": f"{name}.jpg",
                "split": split,
                "sentences": [{"tokens": ["a"], "raw": f"Caption {n} .", "imgid": 0, "sentid": n} for n in (0, 1)],
            }
            for name, split in ((11, "train"), (22, "val"), (33, "test"), (44, "train"))
        ],
    },
    "Flickr8k_text/Flickr_8k.trainImages.txt": "99_f.jpg\n",
    "Flickr8k_text/Flickr_8k.devImages.txt": "44_d.jpg\n",
    "Flickr8k_text/Flickr_8k.testImages.txt": "11_a.jpg\n",
}


def coco_part(part, numbers, labelled):
    """The files of one part of MS COCO: two captions each, objects for the numbers in ``labelled``."""
    names = {number: f"COCO_{part}2014_{number:012d}.jpg" for number in numbers}
    captions = [{"image_id": n, "id": 10 * n + k, "caption": f"caption {k} of {n}\n"} for k in (0, 1) for n in numbers]
    objects = [{"id": n, "image_id": n, "category_id": c, "bbox": []} for n in labelled for c in (18, 3, 18)]
    images = [{"id": number, "file_name": name, "height": 2, "width": 2} for number, name in names.items()]
    categories = [{"supercategory": "animal", "id": 18, "name": "dog"}, {"id": 3, "name": "car"}]
    return {
        **{f"{part}2014/{name}": None for name in names.values()},
        f"annotations/captions_{part}2014.json": {"images": images, "annotations": captions},
        f"annotations/instances_{part}2014.json": {
            "images": images,
            "annotations": objects,
            "categories": categories,
        },
    }


COCO = {**coco_part("train", range(1, 8), range(1, 7)), **coco_part("val", (8, 9), (8,))}
PERSON = {"split": "train", "captions": ["A man. ", "He walks."], "processed_tokens": [["a"]], "id": 1}
CUHK = {
    "imgs/CUHK01/0363004.png": None,
    "imgs/CUHK03/5.jpg": None,
    "imgs/Market/7.jpg": None,
    "reid_raw.json": [
        {**PERSON, "file_path": "CUHK01/0363004.png"},
        {**PERSON, "file_path": "CUHK03/5.jpg", "split": "val", "id": 12},
        {**PERSON, "file_path": "Market/7.jpg", "split": "test", "id": 13},
    ],
}


def msrvtt_part(name, videos):
    """A file of MSR-VTT: clips and splits, two captions each."""
    rows = [
        {
            "category": 9,
            "url": "https://",
            "video_id": video,
            "start time": 1.0,
            "end time": 2.0,
            "split": split,
            "id": 0,
        }
        for video, split in videos.items()
    ]
    sentences = [{"caption": f"caption {k}", "video_id": video, "sen_id": k} for k in (0, 1) for video in videos]
    return {f"{name}_videodatainfo.json": {"info": {}, "videos": rows, "sentences": sentences}}


MSRVTT = {
    "TrainValVideo/video0.mp4": b"clip",
    "TrainValVideo/video6513.mp4": b"clip",
    "TestVideo/video7010.mp4": b"clip",
    **msrvtt_part("train_val", {"video0": "train", "video6513": "validate"}),
    **msrvtt_part("test", {"video7010": "test"}),
}
TREES = {"flickr8k": FLICKR8K, "flickr30k": FLICKR30K, "cuhk-pedes": CUHK, "msrvtt": MSRVTT}


def read(name, root, **options):
    return list(DATASETS[name](root, **options))


def test_flickr8k(tmp_path):
    write_tree(tmp_path, FLICKR8K)
    folder = tmp_path / "Flicker8k_Dataset"
    assert read("flickr8k", tmp_path) == [
        Record("11_a", str(folder / "11_a.jpg"), texts=("A child climbs .", "Stairs ."), splits=TRAIN),
        Record("22_b", str(folder / "22_b.jpg"), texts=("A dog .",), splits=VAL),
        Record("33_c", str(folder / "33_c.jpg"), texts=("Snow .",), splits=TEST),
    ]


@pytest.mark.parametrize(
    ("split", "splits"),
    [
        pytest.param("karpathy", [TRAIN, VAL, TEST, TRAIN], id="karpathy"),
        pytest.param("dual-path", [TEST, TRAIN, TRAIN, VAL], id="dual-path"),
    ],
)
def test_flickr30k(split, splits, tmp_path):
    write_tree(tmp_path, FLICKR30K)
    assert read("flickr30k", tmp_path, split=split) == [
        Record(
            name, str(tmp_path / f"flickr30k-images/{name}.jpg"), texts=("Caption 0 .", "Caption 1 ."), splits=expected
        )
        for name, expected in zip(("11", "22", "33", "44"), splits, strict=True)
    ]


def test_coco_as_the_hashing_papers_split_it(tmp_path):
    write_tree(tmp_path, COCO)
    rows = read("coco", tmp_path, query=2, train=3)
    assert [row.id for row in rows] == [f"COCO_train2014_{n:012d}" for n in range(1, 7)] + [f"COCO_val2014_{8:012d}"]
    assert rows[0].image == str(tmp_path / "train2014/COCO_train2014_000000000001.jpg")
    assert rows[0].texts == ("caption 0 of 1", "caption 1 of 1")
    assert {row.labels for row in rows} == {("dog", "car")}
    assert sorted(row.splits for row in rows) == [("database",)] * 2 + [("database", "train")] * 3 + [("query",)] * 2


def test_coco_as_karpathy_splits_it(tmp_path):
    splits = {**dict.fromkeys(range(1, 8), "train"), 8: "restval", 9: "test"}
    images = [
        {"filename": f"COCO_{'train' if n < 8 else 'val'}2014_{n:012d}.jpg", "split": split, "sentences": []}
        for n, split in splits.items()
    ]
    write_tree(tmp_path, {**COCO, "dataset_coco.json": {"dataset": "coco", "images": images}})
    rows = read("coco", tmp_path, split="karpathy")
    assert [row.splits for row in rows] == [TRAIN] * 8 + [TEST]
    assert rows[-1].labels == ()  # pictures without an object count here


def test_cuhk_pedes(tmp_path):
    write_tree(tmp_path, CUHK)
    texts = ("A man.", "He walks.")
    assert read("cuhk-pedes", tmp_path) == [
        Record("CUHK01/0363004", str(tmp_path / "imgs/CUHK01/0363004.png"), None, texts, ("1",), TRAIN),
        Record("CUHK03/5", str(tmp_path / "imgs/CUHK03/5.jpg"), None, texts, ("12",), VAL),
        Record("Market/7", str(tmp_path / "imgs/Market/7.jpg"), None, texts, ("13",), TEST),
    ]


def test_msrvtt(tmp_path):
    write_tree(tmp_path, MSRVTT)
    texts = ("caption 0", "caption 1")
    assert read("msrvtt", tmp_path) == [
        Record("video0", None, str(tmp_path / "TrainValVideo/video0.mp4"), texts, ("9",), TRAIN),
        Record("video6513", None, str(tmp_path / "TrainValVideo/video6513.mp4"), texts, ("9",), VAL),
        Record("video7010", None, str(tmp_path / "TestVideo/video7010.mp4"), texts, ("9",), TEST),
    ]


@pytest.mark.parametrize(
    ("name", "change", "left", "warning"),
    [
        pytest.param(
            "flickr8k", {"Flicker8k_Dataset/22_b.jpg": ""}, ["11_a", "33_c"], "22_b.jpg", id="picture is missing"
        ),
        pytest.param(
            "flickr8k",
            {"Flickr8k_text/Flickr8k.token.txt": "11_a.jpg#0\tA .\nbroken\n22_b.jpg#0\tB .\n33_c.jpg#0\tC .\n"},
            ["11_a", "22_b", "33_c"],
            "line 2",
            id="line is broken",
        ),
        pytest.param(
            "flickr8k",
            {"Flickr8k_text/Flickr8k.token.txt": "11_a.jpg#0\tA .\n22_b.jpg#0\tB .\n"},
            ["11_a", "22_b"],
            "no caption",
            id="no caption",
        ),
        pytest.param(
            "cuhk-pedes",
            {"reid_raw.json": [{"split": "odd"}, {**PERSON, "file_path": "CUHK03/5.jpg"}]},
            ["CUHK03/5"],
            "entry 1",
            id="entry is broken",
        ),
        pytest.param(
            "cuhk-pedes",
            {"reid_raw.json": [{**PERSON, "file_path": "Market/7.jpg", "captions": [" "]}]},
            [],
            "no caption",
            id="captions are empty",
        ),
        pytest.param(
            "msrvtt", {"TestVideo/video7010.mp4": ""}, ["video0", "video6513"], "video7010.mp4", id="clip is missing"
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_left_out_with_a_warning(name, change, left, warning, tmp_path, caplog):
    write_tree(tmp_path, {**TREES[name], **change})
    for path, content in change.items():
        if content == "":
            (tmp_path / path).unlink()
    assert [row.id for row in read(name, tmp_path)] == left
    assert [warning in record.getMessage() for record in caplog.records] == [True]


def test_coco_without_a_caption_or_in_no_split_is_left_out_with_a_warning(tmp_path, caplog):
    tree = {**COCO, "dataset_coco.json": {"images": []}}
    tree["annotations/captions_val2014.json"] = {**COCO["annotations/captions_val2014.json"], "annotations": []}
    write_tree(tmp_path, tree)
    assert read("coco", tmp_path, split="karpathy") == []
    messages = [record.getMessage() for record in caplog.records]
    assert sum("no caption" in message for message in messages) == 2
    assert sum("does not name it" in message for message in messages) == 7


@pytest.mark.parametrize(
    ("name", "tree", "missing", "options"),
    [
        *(("flickr8k", FLICKR8K, path, {}) for path in FLICKR8K if "txt" in path),
        *(("coco", COCO, path, {"query": 1, "train": 1}) for path in COCO if "json" in path),
        *(("msrvtt", MSRVTT, path, {}) for path in MSRVTT if "json" in path),
        ("cuhk-pedes", CUHK, "reid_raw.json", {}),
        ("coco", COCO, "dataset_coco.json", {"split": "karpathy"}),
        ("flickr30k", FLICKR30K, "dataset_flickr30k.json", {}),
        ("flickr30k", FLICKR30K, "results_20130124.token", {"split": "dual-path"}),
        ("flickr30k", FLICKR30K, "Flickr8k_text/Flickr_8k.devImages.txt", {"split": "dual-path"}),
    ],
)
def test_a_missing_file_is_named(name, tree, missing, options, tmp_path):
    write_tree(tmp_path, {path: content for path, content in tree.items() if path != missing})
    with pytest.raises(InputError, match=rf"{missing.rpartition('/')[2]} is missing; (unzip|unpack|ask)"):
        read(name, tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "tree", "folder", "options"),
    [
        ("flickr8k", FLICKR8K, "Flicker8k_Dataset", {}),
        ("flickr30k", FLICKR30K, "flickr30k-images", {}),
        ("coco", COCO, "val2014", {"query": 1, "train": 1}),
        ("cuhk-pedes", CUHK, "imgs", {}),
        ("msrvtt", MSRVTT, "TestVideo", {}),
    ],
)
def test_a_missing_folder_is_named(name, tree, folder, options, tmp_path):
    write_tree(tmp_path, {path: content for path, content in tree.items() if not path.startswith(folder)})
    with pytest.raises(InputError, match=f"{folder} is missing"):
        read(name, tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "tree", "path", "options"),
    [
        ("flickr30k", FLICKR30K, "dataset_flickr30k.json", {}),
        ("coco", COCO, "annotations/captions_train2014.json", {}),
        ("cuhk-pedes", CUHK, "reid_raw.json", {}),
        ("msrvtt", MSRVTT, "train_val_videodatainfo.json", {}),
    ],
)
@pytest.mark.parametrize("content", ["{", "3", '{"images": [{}], "videos": [{}], "sentences": [{}]}'])
def test_a_file_that_is_not_the_published_one_is_refused(name, tree, path, options, content, tmp_path):
    write_tree(tmp_path, {**tree, path: content})
    with pytest.raises(InputError, match=r"download it again|not the (dict|list) of the published file"):
        read(name, tmp_path, **options)


@pytest.mark.parametrize(("name", "tree"), [("flickr30k", FLICKR30K), ("coco", COCO)])
def test_an_unknown_split_is_refused(name, tree, tmp_path):
    write_tree(tmp_path, tree)
    with pytest.raises(InputError, match="split is 'odd'; only"):
        read(name, tmp_path, split="odd")
