"""Data sets with labels from small trees in their published layouts."""

from __future__ import annotations

import pytest
from dataset_trees import write_tree

from milvus_hash.errors import InputError
from milvus_hash.record import Record
from milvus_hash_export.datasets import DATASETS

EVERY = {"query": 1, "train": 1}
ANNOTATION = """<DOC>
<DOCNO>annotations/{0}.eng</DOCNO>
<TITLE>Tafí del Valle & more</TITLE>
<DESCRIPTION>a man on a slope;\na brown{1}, bald mountain;</DESCRIPTION>
<NOTES></NOTES>
<LOCATION>Tucumán, Argentina</LOCATION>
<DATE>January 2002</DATE>
<IMAGE>images/{0}.jpg</IMAGE>
<THUMBNAIL>thumbnails/{0}.jpg</THUMBNAIL>
</DOC>
"""
SAIAPR = "saiaprtc12ok/benchmark/saiapr_tc-12"
IAPR = {
    **{f"iaprtc12/images/{name}.jpg": None for name in ("00/25", "00/26", "02/2808")},
    **{
        f"iaprtc12/annotations_complete_eng/{name}.eng": ANNOTATION.format(name, "é").encode("iso-8859-1")
        for name in ("00/25", "00/26", "02/2808")
    },
    f"{SAIAPR}/00/labels.txt": "25\t1\t120\n25\t2\t7\n25\t3\t120\n26\t1\t7\n",
    f"{SAIAPR}/02/labels.txt": "2808 1 99\n",
}
MIRFLICKR = {
    **{f"mirflickr/im{number}.jpg": None for number in range(1, 6)},
    "mirflickr/doc/common_tags.txt": "nature 30\nwater 25\n",
    "mirflickr/meta/tags/tags1.txt": "water\nsomething rare\nnature\nwater\n",
    "mirflickr/meta/tags/tags2.txt": "nature\n",
    "mirflickr/meta/tags/tags3.txt": "something rare\n",  # no common tag
    "mirflickr/meta/tags/tags4.txt": "water\n",  # no label
    "mirflickr/meta/tags/tags5.txt": "nature\nwater\n",
    "mirflickr25k_annotations_v080/README.txt": "1\n",
    "mirflickr25k_annotations_v080/sea.txt": "1\n2\n3\n",
    "mirflickr25k_annotations_v080/animals.txt": "1\n5\n",
    "mirflickr25k_annotations_v080/sea_r1.txt": "4\n",
}
NUS_WIDE = {
    "ImageList/Imagelist.txt": "actor\\0001_1.jpg\nactor\\0002_2.jpg\nzoo\\0003_3.jpg\nzoo\\0004_4.jpg\n"
    "zoo\\0005_5.jpg\n",
    **{
        f"Flickr/{name}.jpg": None
        for name in ("actor/0001_1", "actor/0002_2", "zoo/0003_3", "zoo/0004_4", "zoo/0005_5")
    },
    "ConceptsList/Concepts81.txt": "airport\nsky\nzebra\n",
    "Groundtruth/AllLabels/Labels_airport.txt": "1\n0\n0\n1\n0\n",
    "Groundtruth/AllLabels/Labels_sky.txt": "1\n1\n1\n0\n0\n",
    "Groundtruth/AllLabels/Labels_zebra.txt": "0\n0\n0\n0\n1\n",
    "NUS_WID_Tags/TagList1k.txt": "nature\nblue\nred\n",
    "NUS_WID_Tags/AllTags1k.txt": "1\t0\t1\t\n0\t1\t0\t\n0\t0\t0\t\n1\t1\t0\t\n1\t1\t1\t\n",
}
META = """<?xml version="1.0" encoding="utf-8"?>
<documentmeta>
<concept> trompette </concept> <rank> 1 </rank> <language> en </language>
<referer> http://example.org/ </referer> <imageUrl> http://example.org/a.jpg </imageUrl>
<before> 1024 x 768   Au Revoir </before> <after> </after>
<ptitle> All Things » Blog </ptitle> <alt> {} </alt>
</documentmeta>
"""
INRIA = {
    "webqueries/queries_fr_orig.txt": '0 "tour eiffel"\n150 "trompette"\n',
    "webqueries/queries_en_trans.txt": '0 "eiffel tower"\n150 "trumpet"\n',
    "webqueries/labels.txt": "0 0 1\n0 1 0\n150 0 1\n",
    **{f"webqueries/images/query_{name}_imagethumb.jpg": None for name in ("0_document_0", "0_document_1")},
    "webqueries/images/query_150_document_0_imagethumb.jpg": None,
    **{
        f"webqueries/metadata/query_{name}_textmeta.xml": META.format(name[0])
        for name in ("0_document_0", "0_document_1", "150_document_0")
    },
}
TREES = {"iapr-tc12": IAPR, "mirflickr": MIRFLICKR, "nus-wide": NUS_WIDE, "inria-web-queries": INRIA}


def read(name, root, **options):
    return list(DATASETS[name](root, **({} if name == "inria-web-queries" else {**EVERY, **options})))


def test_iapr_tc12(tmp_path):
    write_tree(tmp_path, IAPR)
    rows = read("iapr-tc12", tmp_path)
    assert [(row.id, row.labels) for row in rows] == [("25", ("120", "7")), ("26", ("7",)), ("2808", ("99",))]
    assert rows[0].image == str(tmp_path / "iaprtc12/images/00/25.jpg")
    assert rows[0].texts == ("a man on a slope; a browné, bald mountain",)
    assert rows[0].metadata == {"location": "Tucumán, Argentina"}


def test_mirflickr(tmp_path):
    write_tree(tmp_path, MIRFLICKR)
    rows = read("mirflickr", tmp_path)
    assert [(row.id, row.texts, row.labels) for row in rows] == [
        ("im1", ("water, nature",), ("animals", "sea")),
        ("im2", ("nature",), ("sea",)),
        ("im5", ("nature, water",), ("animals",)),
    ]
    assert rows[0].image == str(tmp_path / "mirflickr/im1.jpg")


def test_nus_wide_keeps_the_most_frequent_concepts(tmp_path):
    write_tree(tmp_path, NUS_WIDE)
    rows = read("nus-wide", tmp_path, concepts=2)  # sky and airport; the zebra goes
    assert [(row.id, row.texts, row.labels) for row in rows] == [
        ("actor/0001_1", ("nature, red",), ("sky", "airport")),
        ("actor/0002_2", ("blue",), ("sky",)),
        ("zoo/0004_4", ("nature, blue",), ("airport",)),
    ]
    assert rows[2].image == str(tmp_path / "Flickr/zoo/0004_4.jpg")


@pytest.mark.parametrize("name", ["iapr-tc12", "mirflickr", "nus-wide"])
def test_queries_training_and_the_rest(name, tmp_path):
    write_tree(tmp_path, TREES[name])
    splits = [row.splits for row in read(name, tmp_path, **({"concepts": 2} if name == "nus-wide" else {}))]
    assert sorted(splits) == [("database",), ("database", "train"), ("query",)]


@pytest.mark.parametrize("name", ["iapr-tc12", "mirflickr", "nus-wide"])
def test_a_download_that_is_too_small_is_refused(name, tmp_path):
    write_tree(tmp_path, TREES[name])
    with pytest.raises(InputError, match=r"the split needs 2,[01]00 queries .* is the download complete"):
        list(DATASETS[name](tmp_path))


def test_inria_web_queries(tmp_path):
    write_tree(tmp_path, INRIA)
    assert read("inria-web-queries", tmp_path) == [
        Record(
            f"query_{name}",
            str(tmp_path / f"webqueries/images/query_{name}_imagethumb.jpg"),
            texts=(f"{name[0]}. All Things » Blog. 1024 x 768 Au Revoir",),
            labels=(label,),
            splits=("database", "train"),
        )
        for name, label in (("0_document_0", "eiffel tower"), ("150_document_0", "trumpet"))
    ]


def test_a_tenth_of_the_web_pictures_are_queries(tmp_path):
    many = {"webqueries/labels.txt": "".join(f"0 {number} 1\n" for number in range(100))}
    for number in range(100):
        many[f"webqueries/images/query_0_document_{number}_imagethumb.jpg"] = b"picture"
        many[f"webqueries/metadata/query_0_document_{number}_textmeta.xml"] = META.format("x")
    write_tree(tmp_path, {**INRIA, **many})
    splits = [row.splits for row in read("inria-web-queries", tmp_path)]
    assert 3 < splits.count(("query",)) < 20
    assert set(splits) == {("query",), ("database", "train")}


@pytest.mark.parametrize(
    ("name", "change", "left", "warning"),
    [
        pytest.param("iapr-tc12", {"iaprtc12/images/00/25.jpg": ""}, ["26", "2808"], "25.jpg", id="iapr picture"),
        pytest.param(
            "iapr-tc12",
            {"iaprtc12/annotations_complete_eng/00/25.eng": "<DOC><DESCRIPTION>cut"},
            ["26", "2808"],
            "no description",
            id="iapr annotation",
        ),
        pytest.param(
            "iapr-tc12",
            {f"{SAIAPR}/00/labels.txt": "25 1 7\nodd\n26 1 7\n"},
            ["25", "26", "2808"],
            "line 2",
            id="iapr label",
        ),
        pytest.param(
            "iapr-tc12", {f"{SAIAPR}/02/labels.txt": "3 1 7\n"}, ["25", "26"], "no region", id="iapr without label"
        ),
        pytest.param("mirflickr", {"mirflickr/im5.jpg": ""}, ["im1", "im2"], "im5.jpg", id="mirflickr picture"),
        pytest.param(
            "mirflickr", {"mirflickr/meta/tags/tags5.txt": ""}, ["im1", "im2"], "tags5.txt", id="mirflickr tags"
        ),
        pytest.param(
            "mirflickr",
            {"mirflickr25k_annotations_v080/sea.txt": "1\ntwo\n3\n"},
            ["im1", "im5"],
            "line 2",
            id="mirflickr label",
        ),
        pytest.param(
            "nus-wide",
            {"Flickr/zoo/0004_4.jpg": ""},
            ["actor/0001_1", "actor/0002_2", "zoo/0005_5"],
            "0004_4.jpg",
            id="nus-wide picture",
        ),
        pytest.param(
            "nus-wide",
            {"NUS_WID_Tags/AllTags1k.txt": "1 0 1\n0 1\n0 0 0\n1 1 0\n1 1 1\n"},
            ["actor/0001_1", "zoo/0004_4", "zoo/0005_5"],
            "2 numbers for 3 tags",
            id="nus-wide tags",
        ),
        pytest.param(
            "inria-web-queries",
            {"webqueries/images/query_0_document_0_imagethumb.jpg": ""},
            ["query_150_document_0"],
            "query_0_document_0_imagethumb.jpg",
            id="inria picture",
        ),
        pytest.param(
            "inria-web-queries",
            {"webqueries/metadata/query_0_document_0_textmeta.xml": META[:200]},
            ["query_150_document_0"],
            "not XML",
            id="inria metadata",
        ),
        pytest.param(
            "inria-web-queries",
            {"webqueries/labels.txt": "0 0 1\n\n7 0 1\n150 0 1\n"},
            ["query_0_document_0", "query_150_document_0"],
            "line 3",
            id="inria label",
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


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("iapr-tc12", "iaprtc12/images"),
        ("iapr-tc12", "iaprtc12/annotations_complete_eng"),
        ("iapr-tc12", "saiaprtc12ok/benchmark/saiapr_tc-12"),
        ("mirflickr", "mirflickr"),
        ("mirflickr", "mirflickr/doc/common_tags.txt"),
        ("mirflickr", "mirflickr/meta/tags"),
        ("mirflickr", "mirflickr25k_annotations_v080"),
        *(("nus-wide", path) for path in NUS_WIDE if path.endswith("txt")),
        ("nus-wide", "Flickr"),
        *(("inria-web-queries", f"webqueries/{name}") for name in ("images", "metadata", "labels.txt")),
        ("inria-web-queries", "webqueries/queries_en_trans.txt"),
    ],
)
def test_what_is_missing_is_named(name, missing, tmp_path):
    kept = {path: content for path, content in TREES[name].items() if not f"{path}/".startswith(f"{missing}/")}
    write_tree(tmp_path, kept)
    with pytest.raises(InputError, match=rf"{missing} is missing; (unpack|unzip)"):
        read(name, tmp_path)


@pytest.mark.parametrize("path", ["Groundtruth/AllLabels/Labels_sky.txt", "NUS_WID_Tags/AllTags1k.txt"])
def test_nus_wide_files_of_different_length_are_refused(path, tmp_path):
    write_tree(tmp_path, {**NUS_WIDE, path: NUS_WIDE[path].partition("\n")[2]})
    with pytest.raises(InputError, match=r"has 4 lines and Imagelist.txt 5"):
        read("nus-wide", tmp_path)


def test_mirflickr_without_labels_is_refused(tmp_path):
    annotations = [path for path in MIRFLICKR if "annotations" in path]
    write_tree(tmp_path, {**MIRFLICKR, **dict.fromkeys(annotations, "")})
    with pytest.raises(InputError, match="holds no labels; unzip"):
        read("mirflickr", tmp_path)
