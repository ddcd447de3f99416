"""Two processes that train together, on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from PIL import Image

from milvus_hash_export.processes import Processes

SCRIPT = """
import sys
import torch
from milvus_hash_export.fit import Fit
from milvus_hash_export.train import train

run = Fit.run

def keep(self, out, *args, **settings):
    progress = run(self, out, *args, **settings)
    state = {"weights": dict(self.method.named_parameters()), "count": self.processes.count, "figure": progress.best}
    torch.save(state, out.with_name(f"process{self.processes.index}.pt"))
    return progress

Fit.run = keep
train(
    sys.argv[1], sys.argv[2], weights="random", image_size=32, bits=(8,), hidden=8, filters=2, embedding_dim=4,
    text_length=4, epochs=2, batch_size=2, accumulate=2, patience=2, progress=False, validation=0.3,
)
"""


@pytest.fixture
def manifest(tmp_path):
    rows = []
    for i in range(20):
        name = ("red", "blue")[i % 2]
        Image.new("RGB", (8, 8), name).save(tmp_path / f"{i}.png")
        rows.append({"id": f"p{i}", "image": f"{i}.png", "text": f"{name} {i}", "labels": [name], "split": "train"})
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_two_processes_end_with_equal_weights(manifest, tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "run"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, str(script), str(manifest), str(out)], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"process{i}.pt", weights_only=True) for i in range(2))
    assert first["count"] == second["count"] == 2
    assert first["figure"] == second["figure"]
    assert all(torch.equal(value, second["weights"][name]) for name, value in first["weights"].items())
    written = torch.load(out / "checkpoint.pt", weights_only=True)["method"]
    assert all(torch.equal(value, written[name]) for name, value in first["weights"].items())
    assert len((out / "log.jsonl").read_text().splitlines()) == 2
    assert len(list(out.glob("features-*.npy"))) == 1


def test_one_process_is_the_main_one():
    alone = Processes()
    assert (alone.main, alone.index, alone.count) == (True, 0, 1)
    assert alone.mean({"a": 1.5}) == {"a": 1.5}
    assert alone.share(0.25) == 0.25
