"""Milvus Lite 3, which runs in this process: its folder, its locks, what it logs, and what is put into its words."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from which_lite import only_lite_3

from milvus_hash.collection import HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.store.connection import Connection
from milvus_hash.store.float_codes import to_bytes, to_floats
from milvus_hash.store.texts import as_lite3_reads, read

ROOT = Path(__file__).parents[2]


@given(st.integers(1, 64).flatmap(lambda width: st.lists(st.binary(min_size=width, max_size=width), min_size=2)))
def test_the_inner_product_of_floats_is_the_distance_of_codes(codes: list[bytes]):
    floats = to_floats(codes)
    assert to_bytes(floats) == codes
    bits = floats.shape[1]
    distances = np.bitwise_count(np.frombuffer(codes[0], np.uint8) ^ np.frombuffer(codes[1], np.uint8)).sum()
    assert (bits - float(floats[0] @ floats[1])) / 2 == distances


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_texts_of_filters_mean_the_same_to_milvus_lite_3(text: str):
    written = "".join(f"\\U{ord(char):08x}" for char in text)
    literal = as_lite3_reads(f'name == "{written}"').removeprefix("name == ")
    assert read(literal) == text
    assert not {"\n", "\r"} & set(literal)


OPEN = """
    import os, sys
    from milvus_hash import CodeRow, Encoder, HashCollection, StoreError
    encoder = Encoder.load(sys.argv[2])
    with HashCollection.open_or_create("c", encoder, uri=sys.argv[1]) as collection:
"""


def script(code: str) -> str:
    return textwrap.dedent(OPEN) + textwrap.indent(textwrap.dedent(code), "    ")


def run(code: str, path: str, bundle: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script(code), path, bundle],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


@only_lite_3
def test_what_a_killed_process_has_written_is_there(lite_file, tiny_bundle, tiny_encoder):
    code = """
        collection.add_codes(CodeRow(str(n), "image", 0, bytes(8)) for n in range(3000))
        collection.add_codes([CodeRow("last", "text", 0, bytes(8))])
        collection.delete(["7"])
        os.kill(os.getpid(), 9)
    """
    assert run(code, lite_file, tiny_bundle).returncode == -9
    with HashCollection.open("c", tiny_encoder, uri=lite_file) as collection:
        assert (collection.count("image"), collection.count("text"), collection.get(["7"])) == (2999, 1, [])


@only_lite_3
@pytest.mark.parametrize("how", ["os._exit(0)", "sys.exit()", "collection.close(); sys.exit()"])
def test_a_fork_that_ends_leaves_the_folder_to_its_parent(lite_file, tiny_bundle, tiny_encoder, how):
    code = f"""
        collection.add_codes(CodeRow(str(n), "image", 0, bytes(8)) for n in range(10))
        if not (child := os.fork()):
            {how}
        os.waitpid(child, 0)
        collection.add_codes(CodeRow(str(n), "image", 0, bytes(8)) for n in range(10, 20))
        print(collection.count())
    """
    done = run(code, lite_file, tiny_bundle)
    assert done.stdout == "20\n", done.stderr
    with HashCollection.open("c", tiny_encoder, uri=lite_file) as collection:
        assert collection.count() == 20


@only_lite_3
def test_a_fork_that_lives_on_does_not_keep_the_folder(lite_file, tiny_bundle, tiny_encoder):
    code = """
        child = os.fork()
        if not child:
            os.close(1), os.close(2)
            sys.stdin.read()
            os._exit(0)
        print(child, flush=True)
    """
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE) as waiting:  # whose output is the child's input
        done = subprocess.run(
            [sys.executable, "-c", script(code), lite_file, tiny_bundle],
            stdin=waiting.stdout,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        child = int(done.stdout)
        try:
            with HashCollection.open("c", tiny_encoder, uri=lite_file) as collection:
                assert collection.count() == 0
        finally:
            os.kill(child, 9)
            waiting.kill()


@only_lite_3
def test_a_proxy_is_not_asked_the_way_to_this_machine(lite_file, tiny_bundle):
    done = run("print(collection.count())", lite_file, tiny_bundle, http_proxy="http://127.0.0.1:9")
    assert (done.stdout, done.stderr) == ("0\n", "")


@only_lite_3
def test_what_its_server_refuses_is_an_error_and_no_log(lite_file, tiny_bundle):
    code = """
        import logging
        for name in ("pymilvus", "pymilvus.milvus_client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for filter in ("(" * 500 + "ordinal == 1" + ")" * 500, "ordinal == 'a'"):
            try:
                collection.count(filter=filter)
            except StoreError as error:
                print("refused")
        try:
            collection.table.connection.call("listing", "list_users")
        except StoreError as error:
            print("refused")
    """
    done = run(code, lite_file, tiny_bundle)
    assert (done.stdout, done.stderr) == ("refused\n" * 3, "")


@only_lite_3
def test_few_rows_wait_in_memory(lite_file, tiny_bundle):
    """Those that wait are put together anew for every search."""
    code = """
        from milvus_hash.store import lite3

        collection.add_codes(CodeRow(str(n), "image", 0, bytes(8)) for n in range(9000))
        (_, database, _) = lite3.servers()[sys.argv[1]]
        print(database.get_collection("c")._memtable.size() < 5000, collection.count())
    """
    done = run(code, lite_file, tiny_bundle)
    assert (done.stdout, done.stderr) == ("True 9000\n", "")


@only_lite_3
def test_nobody_else_gets_in(lite_file, tiny_bundle):
    connection = Connection(lite_file)
    connection.call("listing", "list_collections")
    assert "is open in another process" in run("pass", lite_file, tiny_bundle).stderr
    connection.close()
    assert run("pass", lite_file, tiny_bundle).stderr == ""


@only_lite_3
def test_a_folder_that_it_cannot_read_says_why(lite_file):
    (Path(lite_file) / "collections").mkdir(parents=True)
    (Path(lite_file) / "databases").write_text("")
    with pytest.raises(StoreError, match=r"could not open .*databases"):
        Connection(lite_file).call("listing", "list_collections")
