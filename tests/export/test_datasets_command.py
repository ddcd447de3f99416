"""All data sets: their names, options and splits, and the command that writes their manifests."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import pytest
from click.testing import CliRunner
from dataset_trees import write_tree

from milvus_hash.cli import main
from milvus_hash.cli.dataset import NAMES
from milvus_hash.errors import InputError
from milvus_hash.manifest import read_manifest
from milvus_hash_export.datasets import DATASETS, parse_options
from milvus_hash_export.datasets.splits import draw, is_query

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"
FLICKR30K = {
    "flickr30k-images/1.jpg": None,
    "dataset_flickr30k.json": {"images": [{"filename": "1.jpg", "split": "test", "sentences": [{"raw": "A dog ."}]}]},
}


def test_the_command_knows_every_data_set():
    assert tuple(sorted(DATASETS)) == NAMES
    listed = CliRunner().invoke(main, ["dataset", "--help"]).output
    assert [name for name in NAMES if name not in listed] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_and_option_is_documented(name):
    _, mark, section = DOCS.read_text(encoding="utf-8").partition(f"\n## {name}\n")
    assert mark
    section = section.partition("\n## ")[0]
    assert f"milvus-hash dataset {name} --root" in section
    options = [p.name for p in inspect.signature(DATASETS[name]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert [option for option in options if f"`{option}`" not in section] == []


def test_the_command_writes_the_manifest(tmp_path):
    write_tree(tmp_path, FLICKR30K)
    arguments = ["dataset", "flickr30k", "--root", tmp_path, "--out", tmp_path / "m.jsonl"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--option", "split=karpathy"])
    assert result.exit_code == 0, result.output
    assert result.output == f"1 rows: {tmp_path / 'm.jsonl'}\n"
    assert list(read_manifest(tmp_path / "m.jsonl")) == list(DATASETS["flickr30k"](tmp_path))


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        ("split", 2, "'split' is not NAME=VALUE"),
        ("spilt=x", 1, "has no option 'spilt'; its options are split"),
        ("split=x", 1, "split is 'x'; only karpathy and dual-path are known"),
    ],
)
def test_a_wrong_option_is_refused(option, code, message, tmp_path):
    write_tree(tmp_path, FLICKR30K)
    arguments = ["dataset", "flickr30k", "--root", tmp_path, "--out", tmp_path / "m.jsonl", "--option", option]
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert (result.exit_code, message in result.output) == (code, True), result.output
    assert not (tmp_path / "m.jsonl").exists()


def test_options_have_the_type_of_their_default():
    assert parse_options(DATASETS["mirflickr"], {"query": "100"}) == {"query": 100}
    assert parse_options(DATASETS["emoji"], {"languages": "7"}) == {"languages": "7"}
    with pytest.raises(InputError, match="option query is 'many'; a number is needed, like 2000"):
        parse_options(DATASETS["mirflickr"], {"query": "many"})
    with pytest.raises(InputError, match="has no option 'query'; it has no options"):
        parse_options(DATASETS["msrvtt"], {"query": "1"})


def test_a_draw_goes_by_the_hash_alone():
    names = [f"im{number}" for number in range(50)]
    drawn = draw(names, query=5, train=20)
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert [name for name in order if drawn[name] == ("query",)] == order[:5]
    assert [name for name in order if drawn[name] == ("database", "train")] == order[5:25]
    assert [name for name in order if drawn[name] == ("database",)] == order[25:]
    assert draw(reversed(names), query=5, train=20) == drawn
    with pytest.raises(InputError, match="50 items can be used, but the split needs 5 queries and 46 training items"):
        draw(names, query=5, train=46)


@pytest.mark.parametrize("percent", [0, 10, 50, 100])
def test_the_share_of_queries(percent):
    count = sum(is_query(f"im{number}", percent) for number in range(1000))
    assert abs(count - 10 * percent) <= (0 if percent in (0, 100) else 50)
