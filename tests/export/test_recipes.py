"""The recipes that ship: each loads, and the commands in its head are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from milvus_hash_export.config import TrainConfig, load_config
from milvus_hash_export.datasets import DATASETS, parse_options

FOLDER = Path(__file__).parents[2] / "export" / "recipes"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_it_loads(name):
    config = load_config(name)
    assert config != TrainConfig()
    assert f'\nmethod = "{config.method}"\n' in (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_its_commands_name_itself_and_data_sets_that_there_are(name):
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert set(re.findall(r"--recipe ([\w-]+)", text)) <= {name}
    for dataset, options in re.findall(r"milvus-hash dataset ([\w-]+)(.*)", text):
        pairs = (pair.split("=") for pair in re.findall(r"--option (\S+)", options))
        parse_options(DATASETS[dataset], dict(pairs))


def test_all_published_protocols_are_there():
    published = {
        *(f"{name}-dual-path" for name in ("flickr30k", "coco", "cuhk-pedes")),
        *(f"{name}-tvdb" for name in ("coco", "iapr-tc12", "inria-web-queries")),
        *(f"{name}-text-guided" for name in ("mirflickr", "nus-wide")),
        *(f"{name}-dsmhn" for name in ("mirflickr", "nus-wide", "coco", "msrvtt")),
    }
    assert published <= set(NAMES)
