"""A server that loads the encoder once and forks its workers, as gunicorn --preload does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from milvus_hash.encoder import Encoder
from milvus_hash.errors import ProviderError

ROOT = Path(__file__).parents[1]

WORKERS = """
import os, sys
from milvus_hash import Encoder
from milvus_hash.runtime import onnxruntime

encoder = Encoder.load(sys.argv[1], threads=int(sys.argv[2]))
{before}
workers = []
for _ in range(2):
    worker = os.fork()
    if not worker:
        code = encoder.encode_texts(["a red flower"])[0].tobytes().hex()
        os.write(1, f"{{code}}\\n".encode())
        sys.exit(0)
    workers.append(worker)
print([os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers])
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run(code: str, home: Path, *arguments: object) -> list[str]:
    """What a program prints that finds nothing in its home, nor that it is watched."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("before", "threads"),
    [
        pytest.param("assert 'onnxruntime' not in sys.modules", 2, id="loaded"),
        pytest.param("onnxruntime()", 2, id="imported"),
        pytest.param("encoder.encode_texts(['asked'])", 1, id="asked-without-threads"),
    ],
)
def test_workers_encode_and_end(tiny_bundle, tiny_encoder, tmp_path, before, threads):
    code = tiny_encoder.encode_texts(["a red flower"])[0].tobytes().hex()
    assert run(WORKERS.format(before=before), tmp_path, tiny_bundle, threads) == [code, code, "[0, 0]"]


def test_onnxruntime_leaves_nothing_behind(tiny_bundle, tmp_path):
    """Its telemetry would keep an id and a database in the home directory."""
    run(
        "import sys; from milvus_hash import Encoder; Encoder.load(sys.argv[1]).encode_texts(['a'])",
        tmp_path,
        tiny_bundle,
    )
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("providers", [None, ["cpu"], ["CPU"], ["CPUExecutionProvider"]])
def test_the_processor_needs_no_look_at_onnxruntime(tiny_bundle, providers):
    assert Encoder.load(tiny_bundle, providers=providers).providers == ("CPUExecutionProvider",)


def test_other_providers_are_looked_for_when_the_bundle_is_loaded(tiny_bundle):
    with pytest.raises(ProviderError, match="no provider 'abacus' here"):
        Encoder.load(tiny_bundle, providers=["abacus", "cpu"])
