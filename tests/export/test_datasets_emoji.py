"""The data sets "emoji" and "emoji-video" from small trees in the layout of their npm packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_trees import animation_bytes, write_tree
from PIL import Image

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets import DATASETS
from milvus_hash_export.datasets.emojibase import Emoji

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><rect width="72" height="72" fill="#0f0"/></svg>'
MODULES = "node_modules"
EMOJIS = {  # code, character, label, tags, group, subgroup
    "1F600": ("😀", "grinning face", ["face", "happy"], 0, 0),
    "2602": ("☂️", "umbrella", ["rain"], 5, 59),
    "1F468-200D-1F33E": ("👨‍🌾", "man farmer", ["farmer", "man"], 1, 25),
    "1F3FB": ("🏻", "light skin tone", [], 2, 32),  # a component
    "1F1E6": ("🇦", "regional indicator A", [], None, None),
}
GROUPS = {
    "groups": {"0": "smileys-emotion", "1": "people-body", "2": "component", "5": "travel-places"},
    "subgroups": {"0": "face-smiling", "25": "person-role", "32": "skin-tone", "59": "sky-weather"},
}


def emojibase(language):
    rows = []
    for code, (character, label, tags, group, subgroup) in EMOJIS.items():
        place = {} if group is None else {"group": group, "subgroup": subgroup}
        skins = [{"hexcode": f"{code}-1F3FB", "label": f"{label}: light skin tone", **place}]
        rows.append({"hexcode": code, "emoji": character, "label": label, "tags": tags, "skins": skins, **place})
        if language != "en":
            rows[-1].update(label=f"{language} {label}")
            rows[-1].pop("tags")
    return {f"{MODULES}/emojibase-data/{language}/data.json": rows}


NOTO = {"1F600": "1f600.png", "2602-FE0F": "2602-fe0f.png", "1F468-200D-1F33E": "1f468-200d-1f33e.png"}
TREE = {
    f"{MODULES}/emojibase-data/meta/groups.json": GROUPS,
    **emojibase("en"),
    **emojibase("de"),
    f"{MODULES}/emoji-datasource-google/emoji.json": [
        {"unified": code, "image": image, "has_img_google": code != "1F468-200D-1F33E"} for code, image in NOTO.items()
    ],
    **{f"{MODULES}/emoji-datasource-google/img/google/64/{image}": None for image in NOTO.values()},
    **{f"{MODULES}/openmoji/color/svg/{code}.svg": SVG for code in ("1F600", "2602", "1F3FB", "E000")},
    f"{MODULES}/@lobehub/fluent-emoji-anim-1/assets/2602-fe0f.webp": animation_bytes(3),
    f"{MODULES}/@lobehub/fluent-emoji-anim-2/assets/1f468-200d-1f33e.webp": animation_bytes(1),
    f"{MODULES}/@lobehub/fluent-emoji-anim-3/assets/1f600.webp": animation_bytes(2),
    f"{MODULES}/@lobehub/fluent-emoji-anim-4/assets/1f600-1f3fb.webp": animation_bytes(2),
}


def read(name, root, **options):
    return list(DATASETS[name](root, **options))


def test_each_vendor_shows_each_emoji(tmp_path):
    write_tree(tmp_path, TREE)
    rows = read("emoji", tmp_path)
    assert [(row.id, row.texts, row.labels) for row in rows] == [
        (f"{vendor}/{code}", texts, labels)
        for code, texts, labels in (
            ("1F600", ("grinning face. face, happy",), ("smileys-emotion", "face-smiling")),
            ("2602", ("umbrella. rain",), ("travel-places", "sky-weather")),
        )
        for vendor in ("noto", "openmoji")
    ]
    assert rows[0].image == str(tmp_path / MODULES / "emoji-datasource-google/img/google/64/1f600.png")
    assert rows[0].metadata == {"emoji": "😀", "licence": "Apache-2.0"}
    assert rows[1].metadata == {"emoji": "😀", "licence": "CC-BY-SA-4.0"}


def test_openmoji_is_drawn_once(tmp_path):
    write_tree(tmp_path, TREE)
    picture = Path(read("emoji", tmp_path)[1].image)
    with Image.open(picture) as image:
        assert image.size == (256, 256)
        assert image.convert("RGB").getpixel((128, 128)) == (0, 255, 0)
    picture.write_bytes(b"mine")
    read("emoji", tmp_path)
    assert picture.read_bytes() == b"mine"
    assert sorted(path.name for path in (tmp_path / "openmoji-256").iterdir()) == ["1F600.png", "2602.png"]


def test_a_drawing_that_is_broken_is_left_out_with_a_warning(tmp_path, caplog):
    write_tree(tmp_path, {**TREE, f"{MODULES}/openmoji/color/svg/2602.svg": "<svg"})
    assert [row.id for row in read("emoji", tmp_path)] == ["noto/1F600", "openmoji/1F600", "noto/2602"]
    assert ["2602.svg" in record.getMessage() for record in caplog.records] == [True]


def test_a_text_for_each_language(tmp_path):
    write_tree(tmp_path, TREE)
    row = read("emoji", tmp_path, languages="en,de")[0]
    assert row.texts == ("grinning face. face, happy", "de grinning face")
    with pytest.raises(InputError, match=r"xx/data.json is missing; .* languages are the folders"):
        read("emoji", tmp_path, languages="en,xx")


def test_the_split_goes_by_emoji_whatever_its_gender():
    def splits(code):
        return Emoji(code, "", (), "", "").splits(10)

    assert {splits(f"{number:X}") for number in range(0x1F600, 0x1F640)} == {("query",), ("database", "train")}
    for job in range(0x1F3A0, 0x1F3E0):
        assert len({splits(f"{person}-200D-{job:X}") for person in ("1F468", "1F469", "1F9D1")}) == 1
    for person in range(0x1F640, 0x1F680):
        assert len({splits(f"{person:X}{sign}") for sign in ("", "-200D-2640", "-200D-2642")}) == 1
    shares = [splits(f"{number:X}") == ("query",) for number in range(0x1F000, 0x1F400)]
    assert 70 < sum(shares) < 140  # a tenth of 1,024


def test_videos_are_the_files_of_more_than_one_frame(tmp_path):
    write_tree(tmp_path, TREE)
    assert read("emoji-video", tmp_path) == [
        Record(
            code,
            None,
            str(tmp_path / MODULES / path),
            (text,),
            (group,),
            ("database", "train"),
            {"emoji": EMOJIS[code][0], "subgroup": subgroup, "licence": "MIT"},
        )
        for code, path, text, group, subgroup in (
            (
                "1F600",
                "@lobehub/fluent-emoji-anim-3/assets/1f600.webp",
                "grinning face. face, happy",
                "smileys-emotion",
                "face-smiling",
            ),
            (
                "2602",
                "@lobehub/fluent-emoji-anim-1/assets/2602-fe0f.webp",
                "umbrella. rain",
                "travel-places",
                "sky-weather",
            ),
        )
    ]


@pytest.mark.parametrize("content", [b"", b"no WebP", animation_bytes(3)[:40]])
def test_a_broken_video_is_left_out_with_a_warning(content, tmp_path, caplog):
    write_tree(tmp_path, {**TREE, f"{MODULES}/@lobehub/fluent-emoji-anim-3/assets/1f600.webp": content})
    assert [row.id for row in read("emoji-video", tmp_path)] == ["2602"]
    assert ["1f600.webp" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("emoji", "emoji-datasource-google"),
        ("emoji", "openmoji"),
        ("emoji", "emojibase-data"),
        ("emoji-video", "emojibase-data"),
        *(("emoji-video", f"@lobehub/fluent-emoji-anim-{number}") for number in (1, 2, 3, 4)),
    ],
)
def test_a_missing_package_is_named(name, package, tmp_path):
    write_tree(tmp_path, {path: content for path, content in TREE.items() if f"/{package}/" not in path})
    with pytest.raises(InputError, match=rf"{package}/.* is missing; install the npm packages"):
        read(name, tmp_path)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("emojibase-data/meta/groups.json", {}),
        ("emojibase-data/en/data.json", [{"hexcode": "1F600", "group": 0}]),
        ("emojibase-data/en/data.json", [{"label": "x"}]),
        ("emoji-datasource-google/emoji.json", [{"unified": "1F600"}]),
    ],
)
def test_a_package_of_another_layout_is_refused(path, content, tmp_path):
    write_tree(tmp_path, {**TREE, f"{MODULES}/{path}": content})
    with pytest.raises(InputError, match="not laid out like the published file"):
        read("emoji", tmp_path)
