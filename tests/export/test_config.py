"""Recipes: what a TOML file may say, and what it may not."""

from __future__ import annotations

import json

import pytest

from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig, from_mapping, load_config, parse_settings, to_mapping
from milvus_hash_export.methods.dsmhn import DSMHNOptions


@pytest.mark.parametrize("name", ["clipart", "starter"])
def test_shipped_recipes_are_valid(name):
    assert load_config(name) != TrainConfig()


def test_overrides_win_and_none_means_as_in_the_recipe(tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 7\nseed = 2\nlearning_rate = 1\n")
    config = load_config(tmp_path / "mine.toml", epochs=3, seed=None, bits=128)
    assert (config.epochs, config.seed, config.learning_rate, config.bits) == (3, 2, 1.0, (128,))


def test_options_are_those_of_the_method(tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 7\n[options]\nhidden = 9\nfilters = 3\n")
    config = load_config(tmp_path / "mine.toml", filters=4)
    assert (config.epochs, config.options) == (7, DSMHNOptions(hidden=9, filters=4))
    assert load_config(tmp_path / "mine.toml", method="dsmhn").options.hidden == 9
    with pytest.raises(InputError, match=r"sets options of method 'dsmhn', not 'dual-path'"):
        load_config(tmp_path / "mine.toml", method="dual-path")


def test_an_unknown_setting_gets_the_list_of_the_known_ones():
    with pytest.raises(InputError, match=r"unknown setting hope; .*epochs.*among the options of dsmhn: .*hidden"):
        load_config(hope=1)


def test_settings_on_the_command_line_are_toml_or_strings():
    given = ["a=1", "b = 2.5", "c=true", "d=[1, 2]", 'e="3"', "f=plain words", "g=x=y", "h="]
    expected = {"a": 1, "b": 2.5, "c": True, "d": [1, 2], "e": "3", "f": "plain words", "g": "x=y", "h": ""}
    assert parse_settings(given) == expected
    for bad in ("epochs", "=3"):
        with pytest.raises(InputError, match="is not NAME=VALUE"):
            parse_settings([bad])


def test_json_round_trip():
    config = load_config(bits=(16, 64), views=2, hidden=7, clip_norm=1)
    assert config.options == DSMHNOptions(hidden=7)
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
        pytest.param('method = "magic"', "method is 'magic'; one of tvdb, dsmhn, dual-path, text-guided", id="method"),
        pytest.param('precision = "int8"', "precision is 'int8'", id="precision"),
        pytest.param("patience = -1", "patience is -1", id="negative"),
        pytest.param("clip_norm = nan", "clip_norm is nan", id="nan"),
        pytest.param("validation = 1.0", "validation is 1.0; a share", id="share"),
        pytest.param("hidden = 8", "unknown setting hidden", id="an option outside its table"),
        pytest.param("options = 3", "options is 3", id="no table"),
        pytest.param("[options]\nepochs = 3", "unknown setting epochs", id="a setting inside the table"),
        pytest.param("[options]\nhidden = 0", "hidden is 0", id="no hidden layer"),
        pytest.param("[options]\ndropout = 1.0", "dropout is 1.0", id="all dropped"),
        pytest.param('[options]\nsimilarity = "hope"', "no similarity loss 'hope'", id="loss"),
        pytest.param("epochs =", "is not TOML", id="syntax"),
    ],
)
def test_bad_recipes_are_refused(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_config(tmp_path / "bad.toml")


def test_a_missing_recipe_lists_those_that_ship():
    with pytest.raises(InputError, match=r"no recipe 'nothing'.*clipart.*starter"):
        load_config("nothing")
