"""Text-guided fusion on the training frame: a manifest becomes a run, the run networks that remember it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_encoders import LENGTH, WORDS, tiny_bert, tiny_clip

from milvus_hash.errors import InputError
from milvus_hash.media.image import load_image
from milvus_hash.media.text import Tokenizer
from milvus_hash_export.run import load_run
from milvus_hash_export.train import train

SIZE, ITEMS = 32, 24
SMALL = {"method": "text-guided", "bits": (8, 16), "image_size": SIZE, "text_length": LENGTH, "batch_size": 8}
OPTIONS = {"space": 16, "decoder_width": 16, "decoder_heads": 2, "prototypes": 8, "hidden": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of two colours with their texts in ``manifest.jsonl``, and both encoders."""
    root = tmp_path_factory.mktemp("pictures")
    torch.manual_seed(0)
    tiny_bert(root / "bert")
    tiny_clip(root / "clip", size=SIZE)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(ITEMS):
        light = i % 2
        pixels = rng.integers(150 * light, 150 * light + 100, (40, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
        text = f"{WORDS[light]} {WORDS[10 + i]}"
        rows.append({"id": f"p{i}", "image": f"{i}.png", "text": text, "labels": [str(light)], "split": "train"})
    (root / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


@pytest.mark.parametrize("text", ["clip", "bert"])
def test_a_run_comes_back_as_networks(folder, tmp_path, text):
    encoders = {"backbone": f"clip:{folder / 'clip'}", "embeddings": str(folder / text)}
    settings = SMALL | OPTIONS | encoders | {"epochs": 25, "learning_rate": 0.01}
    result = train(folder / "manifest.jsonl", tmp_path / "run", progress=False, seed=1, **settings)
    assert result.pairs == ITEMS
    run = load_run(tmp_path / "run")
    assert set(run.streams) == {"image", "text"}
    pictures = np.stack([load_image(folder / f"{i}.png", run.inputs["image"]) for i in range(ITEMS)])
    texts = [f"{WORDS[i % 2]} {WORDS[10 + i]}" for i in range(ITEMS)]
    with torch.inference_mode():
        u = run.streams["image"](torch.from_numpy(pictures)).sign()
        v = run.streams["text"](*map(torch.from_numpy, Tokenizer(run.tokenizer, LENGTH)(texts))).sign()
    same = torch.arange(ITEMS) % 2 == torch.arange(ITEMS)[:, None] % 2
    agreement = u @ v.T / u.shape[1]
    assert agreement[same].mean() > agreement[~same].mean() + 0.3


def test_a_row_without_labels_is_refused(folder, tmp_path):
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    bare = tmp_path / "bare.jsonl"
    bare.write_text(
        "".join(json.dumps(row | {"image": str(folder / row["image"]), "labels": []}) + "\n" for row in rows)
    )
    with pytest.raises(InputError, match="label"):
        train(bare, tmp_path / "run", progress=False, embeddings=str(folder / "bert"), weights="random", **SMALL)
