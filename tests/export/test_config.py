"""Recipes: what a TOML file may say, and what it may not."""

from __future__ import annotations

import json

import pytest

from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig, from_mapping, load_config, to_mapping


@pytest.mark.parametrize("name", ["clipart", "starter"])
def test_shipped_recipes_are_valid(name):
    assert load_config(name) != TrainConfig()


def test_overrides_win_and_none_means_as_in_the_recipe(tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 7\nseed = 2\nlearning_rate = 1\n")
    config = load_config(tmp_path / "mine.toml", epochs=3, seed=None, bits=128)
    assert (config.epochs, config.seed, config.learning_rate, config.bits) == (3, 2, 1.0, (128,))


def test_json_round_trip():
    config = load_config(bits=(16, 64), views=2)
    assert from_mapping(json.loads(json.dumps(to_mapping(config)))) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("epoch = 3", "unknown setting epoch", id="unknown"),
        pytest.param('epochs = "3"', "epochs is '3'; a value of type int", id="type"),
        pytest.param("epochs = 0", "epochs is 0", id="zero"),
        pytest.param("bits = [64, 32]", "ascending multiples of 8", id="order"),
        pytest.param("bits = [12]", "ascending multiples of 8", id="not a byte"),
        pytest.param("bits = []", "ascending multiples of 8", id="no bits"),
        pytest.param("train_embeddings = 1", "train_embeddings is 1", id="int for bool"),
        pytest.param("batch_size = 1", "batch_size is 1", id="one"),
        pytest.param('resize = "stretch"', "resize is 'stretch'", id="choice"),
        pytest.param("epochs =", "is not TOML", id="syntax"),
    ],
)
def test_bad_recipes_are_refused(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_config(tmp_path / "bad.toml")


def test_a_missing_recipe_lists_those_that_ship():
    with pytest.raises(InputError, match=r"no recipe 'nothing'.*clipart, starter"):
        load_config("nothing")
