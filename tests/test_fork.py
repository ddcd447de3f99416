"""A server that loads the encoder once and forks its workers, as gunicorn --preload does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from milvus_hash.encoder import Encoder
from milvus_hash.errors import ProviderError

WORKERS = """
import os, sys, threading
from milvus_hash import Encoder

encoder = Encoder.load(sys.argv[1])
assert "onnxruntime" not in sys.modules
workers = []
for _ in range(2):
    worker = os.fork()
    if not worker:
        code = encoder.encode_texts(["a red flower"])[0].tobytes().hex()
        os.write(1, f"{code}\\n".encode())
        sys.exit(0)
    workers.append(worker)
print([os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_workers_encode_and_end(tiny_bundle, tiny_encoder):
    done = subprocess.run([sys.executable, "-c", WORKERS, str(tiny_bundle)], capture_output=True, text=True, timeout=60)
    code = tiny_encoder.encode_texts(["a red flower"])[0].tobytes().hex()
    assert done.stdout.splitlines() == [code, code, "[0, 0]"], done.stderr


@pytest.mark.parametrize("providers", [None, ["cpu"], ["CPU"], ["CPUExecutionProvider"]])
def test_the_processor_needs_no_look_at_onnxruntime(tiny_bundle, providers):
    assert Encoder.load(tiny_bundle, providers=providers).providers == ("CPUExecutionProvider",)


def test_other_providers_are_looked_for_when_the_bundle_is_loaded(tiny_bundle):
    with pytest.raises(ProviderError, match="no provider 'abacus' here"):
        Encoder.load(tiny_bundle, providers=["abacus", "cpu"])
