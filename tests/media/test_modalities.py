"""The table of modalities agrees with what else bears their names."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

from milvus_hash.bundle.inputs import INPUTS
from milvus_hash.media.modalities import FILES, MODALITIES, OF_SUFFIX
from milvus_hash.names import ModalityName
from milvus_hash.question import Asked
from milvus_hash.record import Record


def test_bundles_and_type_checkers_know_the_same_modalities():
    assert set(INPUTS) == set(MODALITIES) == set(get_args(ModalityName))


def test_questions_take_every_modality():
    assert set(MODALITIES) < Asked.__annotations__.keys()


def test_records_have_an_attribute_for_every_kind_of_file():
    assert set(FILES) <= {field.name for field in fields(Record)}
    assert Record("a", **dict.fromkeys(FILES, "there")).files == dict.fromkeys(FILES, "there")
    assert Record("a", **dict.fromkeys(FILES, "")).files == {}


def test_a_suffix_belongs_to_one_modality():
    assert len(OF_SUFFIX) == sum(len(MODALITIES[name].suffixes) for name in FILES)
