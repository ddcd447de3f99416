"""CPU seconds and wall-clock seconds until the command answers and the package is imported.

    python tests/benchmarks/startup.py [--rounds 7]

Each figure is the median over fresh processes; "python" is an interpreter that does nothing. The last line is one
JSON object.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import_milvus_hash": [sys.executable, "-c", "import milvus_hash"],
    "help": [sys.executable, "-m", "milvus_hash", "--help"],
    "search_help": [sys.executable, "-m", "milvus_hash", "search", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    figures = {name: measure(command, rounds) for name, command in COMMANDS.items()}
    for name, figure in figures.items():
        print(f"{name:20} {figure['cpu_s']:.3f} s CPU  {figure['wall_s']:.3f} s", file=sys.stderr)
    print(json.dumps({"benchmark": "startup", "rounds": rounds, **figures}))


def measure(command: list[str], rounds: int) -> dict[str, float]:
    cpu, wall = [], []
    for _ in range(rounds + 1):
        before, start = os.times(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        wall.append(time.perf_counter() - start)
        cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return {"cpu_s": statistics.median(cpu[1:]), "wall_s": statistics.median(wall[1:])}  # the first compiles


if __name__ == "__main__":
    main()
