"""CLIP and sentence encoders in the hub's layout, from pixels and texts to served bits."""

from __future__ import annotations

import shutil

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_encoders import LENGTH, WORDS, tiny_bert, tiny_clip
from transformers import BertModel, CLIPModel

from milvus_hash.bundle import ImageInput, TextInput
from milvus_hash.errors import InputError
from milvus_hash.media.text import Tokenizer
from milvus_hash_export.config import load_config
from milvus_hash_export.methods.base import Batch, Data
from milvus_hash_export.methods.text_guided import build_text_guided
from milvus_hash_export.networks.clip import clip_backbone
from milvus_hash_export.networks.sentence import build_sentence_encoder
from milvus_hash_export.onnx import example_inputs, export_graph

SIZE = 32
TEXTS = ["word1 word2", "nothing that it knows", "word3 " * 5000, " ".join(WORDS)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("encoders")
    return {"bert": tiny_bert(root / "bert"), "clip": tiny_clip(root / "clip", size=SIZE)}


def make(folders, backbone, text, **settings):
    torch.manual_seed(0)
    name = f"clip:{folders['clip']}" if backbone == "clip" else backbone
    small = {"space": 16, "decoder_width": 16, "decoder_heads": 2, "prototypes": 8, "hidden": 32, "bits": (16, 32)}
    inputs = {"image_size": SIZE, "text_length": LENGTH, "embeddings": str(folders[text])}
    weights = {"weights": "imagenet" if backbone == "clip" else "random"}
    config = load_config(method="text-guided", backbone=name, **(small | inputs | weights | settings))
    return build_text_guided(config, Data("image", 8, 4, None), weights=config.weights)


def pictures(n):
    return torch.randint(0, 256, (n, SIZE, SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def tokens(folder, texts=TEXTS):
    return tuple(torch.from_numpy(array) for array in Tokenizer(folder / "tokenizer.json", LENGTH)(texts))


@torch.inference_mode()
def test_the_first_token_is_clips_image_vector(folders):
    backbone = clip_backbone(str(folders["clip"]), weights="imagenet", size=SIZE)
    pixels = torch.randn(3, 3, SIZE, SIZE)
    seen = torch.nn.Sequential(*backbone.units).eval()(pixels)
    assert seen.shape == (3, 1 + 4 * 4, backbone.width)
    expected = CLIPModel.from_pretrained(folders["clip"]).get_image_features(pixel_values=pixels).pooler_output
    assert torch.allclose(seen[:, 0], expected, atol=1e-5)


@torch.inference_mode()
def test_clips_text_vector(folders):
    encoder = build_sentence_encoder(str(folders["clip"]), weights="imagenet", length=LENGTH).eval()
    ids, mask = tokens(folders["clip"])
    expected = CLIPModel.from_pretrained(folders["clip"]).get_text_features(ids, mask).pooler_output
    assert torch.allclose(encoder(ids, mask), torch.nn.functional.normalize(expected), atol=1e-5)


@torch.inference_mode()
def test_a_sentence_is_the_mean_of_its_tokens(folders):
    encoder = build_sentence_encoder(str(folders["bert"]), weights="imagenet", length=LENGTH).eval()
    ids, mask = tokens(folders["bert"])
    states = BertModel.from_pretrained(folders["bert"])(ids, mask).last_hidden_state
    for vector, state, keep in zip(encoder(ids, mask), states, mask, strict=True):
        mean = state[keep == 1].mean(0)
        assert torch.allclose(vector, mean / mean.norm(), atol=1e-5)
    cut = int(mask[0].sum())
    assert torch.allclose(encoder(ids[:1, :cut], mask[:1, :cut]), encoder(ids[:1], mask[:1]), atol=1e-5)
    assert torch.isfinite(encoder(ids, torch.zeros_like(mask))).all()


def test_random_weights_need_the_configuration_only(folders, tmp_path):
    bare = {name: tmp_path / name for name in folders}
    for name, folder in bare.items():
        shutil.copytree(folders[name], folder, ignore=shutil.ignore_patterns("*.safetensors"))
    method, again = make(folders, "clip", "bert"), make(bare, "clip", "bert", weights="random")
    again.load_state_dict(method.state_dict())
    ids, mask = tokens(folders["bert"])
    with torch.inference_mode():
        assert torch.equal(method.eval().visual(pictures(2)), again.eval().visual(pictures(2)))
        assert torch.equal(method.text(ids, mask), again.text(ids, mask))


@pytest.mark.parametrize(("backbone", "unfreeze"), [("clip", 0), ("clip", 1), ("clip", 4), ("efficientnet_lite0", 1)])
def test_the_cut_changes_nothing_and_what_is_behind_it_learns(folders, backbone, unfreeze):
    whole, method = make(folders, backbone, "bert"), make(folders, backbone, "bert", unfreeze=unfreeze)
    assert (len(list(method.pretrained())) > 0) == (unfreeze > 0)
    with torch.inference_mode():
        assert torch.allclose(method.eval().visual(pictures(2)), whole.eval().visual(pictures(2)), atol=1e-5)
        features = method.visual.features(pictures(2))[0]
        assert method.visual.pooled(features).ndim == 2
    labels = torch.eye(4)[:2]
    text = method.text.features(*(value[:2] for value in tokens(folders["bert"])))
    method.train()(Batch(features.clone(), tuple(v.clone() for v in text), labels, torch.arange(2)))["loss"].backward()
    assert all(p.grad is not None for p in method.pretrained() if p.requires_grad)
    assert all(p.grad is None for p in method.visual.frozen.parameters())


def test_a_sentence_encoder_can_learn(folders):
    method = make(folders, "efficientnet_lite0", "bert", train_text=True)
    before = method.text.pooled.embedding.weight.clone()
    batch = Batch(torch.randn(4, 5, 1280), tokens(folders["bert"]), torch.eye(4), torch.arange(4))
    optimiser = torch.optim.SGD(method.pretrained(), lr=1.0)
    method.train()(batch)["loss"].backward()
    optimiser.step()
    assert not torch.equal(method.text.trunk.encoder.words.weight, before)
    assert torch.equal(method.text.pooled.embedding.weight, before)  # the baselines' vectors stay those of the start


@pytest.mark.parametrize(("backbone", "text"), [("clip", "clip"), ("efficientnet_lite0", "bert")])
def test_served_bits_are_torchs(folders, tmp_path, backbone, text):
    method = make(folders, backbone, text).eval()
    inputs = {
        "image": [{"image": pictures(n)} for n in (1, 5)],
        "text": [
            dict(zip(("input_ids", "attention_mask"), tokens(folders[text], TEXTS[:n]), strict=True)) for n in (1, 4)
        ],
    }
    for modality, target in {"image": ImageInput(SIZE), "text": TextInput(LENGTH)}.items():
        stream, path = method.streams[modality], tmp_path / f"{modality}.onnx"
        export_graph(stream, example_inputs(target), path)
        session = onnxruntime.InferenceSession(str(path))
        for batch in inputs[modality]:
            with torch.inference_mode():
                expected = stream(*batch.values()).numpy()
            code, logits = session.run(["code", "logits"], {name: value.numpy() for name, value in batch.items()})
            assert np.isfinite(logits).all()
            assert np.allclose(logits, expected, atol=1e-4)
            assert np.array_equal(code, np.packbits(logits > 0, axis=1))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("bert", {}, "not a CLIP one"),
        ("clip", {"image_size": 64}, "image_size is 64"),
        ("clip", {"weights": "some.pt"}, r"some\.pt"),
    ],
)
def test_a_clip_that_cannot_be_used_is_named(folders, name, settings, message):
    values = {"weights": "imagenet", "image_size": SIZE} | settings
    with pytest.raises(InputError, match=message):
        clip_backbone(str(folders[name]), weights=values["weights"], size=values["image_size"])
