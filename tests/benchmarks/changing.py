"""A source that others write to is adopted and synced while its server is killed: does the sidecar equal it?

Every run draws from its seed how many rows there are, what their keys are, and when the server is killed. A run takes
one to several minutes. It prints one line, and the script ends with 1 if any run found a difference.

    python tests/benchmarks/changing.py --runs 20 --seed 0
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "adopt"))

from changing_source import NO_COMPACTION, ChangingSource, adopt_while_it_changes
from float_collection import WIDTH, clustered
from milvus_server import own_server

from milvus_hash.adopt.learn import learn, write_vector_bundle
from milvus_hash.adopt.merge import Changes
from milvus_hash.encoder import Encoder
from milvus_hash.store import limits

SEGMENTS = (1, 4, 40)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the next one's is one more")
    parser.add_argument("--restarts", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what pymilvus says of a server that is away
    limits.FIRST_BYTES, limits.BYTES = 20_000, 200_000  # so that some thousand rows take many pages
    wrong_runs = 0
    with tempfile.TemporaryDirectory() as folder, own_server(settings=NO_COMPACTION) as server:
        bundle = Path(folder) / "bundle"
        write_vector_bundle(
            bundle, learn(clustered(600, seed=5), WIDTH), name="vectors", trained_on="clustered vectors"
        )
        encoder = Encoder.load(bundle, threads=1)
        for run in range(options.runs):
            rng, started = np.random.default_rng(options.seed + run), time.monotonic()
            segments, text_keys = SEGMENTS[run % 3], bool(rng.integers(2))
            rows = int(rng.integers(1000, 4000))
            source = ChangingSource(server.uri, rng, rows=rows, segments=segments, text_keys=text_keys)
            last, wrong, lost = adopt_while_it_changes(server, source, bundle, encoder, rng, options.restarts)
            if last != Changes(unchanged=last.unchanged):
                wrong.append(f"changed: {last} by a sync with nothing to do")
            source.drop()
            wrong_runs += bool(wrong)
            kind = "text" if text_keys else "integer"
            print(
                f"seed {options.seed + run}: {segments} segments, {rows} rows at first, {len(source.rows)} at last, "
                f"{len(source.ever)} {kind} keys in all, {options.restarts} restarts, "
                f"{time.monotonic() - started:.0f} s: {len(wrong)} differences {_told(wrong)}; "
                f"Milvus lost or brought back {lost} rows of the source",
                flush=True,
            )
    print(f"{options.runs} runs, {wrong_runs} with differences")
    return int(wrong_runs > 0)


def _told(wrong: list[str]) -> str:
    """How many of each kind, and the first of it."""
    kinds: dict[str, list[str]] = {}
    for line in wrong:
        kinds.setdefault(line.split(":")[0], []).append(line)
    return ", ".join(f"{len(lines)} times: {lines[0]}" for lines in kinds.values())


if __name__ == "__main__":
    sys.exit(main())
