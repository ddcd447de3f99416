"""Plausible mistakes at the command line: one line that names the next step, and nothing that is half done."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from plain_words import check_words

from milvus_hash.cli import main
from milvus_hash.store.connection import Connection

SHOP = ("--uri", "shop.db", "--collection", "shop", "--bundle", "bundle")


def wrong(name: str, piece: str, *arguments: str, exit_code: int = 1) -> Any:
    return pytest.param(arguments, exit_code, piece, id=name)


def usage(name: str, piece: str, *arguments: str) -> Any:
    return wrong(name, piece, *arguments, exit_code=2)


SEARCHES = [
    usage("a slip", "No such command 'serach', but 'search'", "serach"),
    usage("help", "the commands are demo, dataset", "help"),
    usage(
        "words alone", "search takes nothing without an option, and all else after one, such as --text", "search", "red"
    ),
    usage("--query", "No such option '--query', but --text", "search", "--query", "red"),
    usage("--txt", "No such option '--txt', but --text", "search", "--txt", "red"),
    usage("-k", "No such option '-k', but --limit", "search", "-t", "red", "-k", "3"),
    usage("--top-k", "No such option '--top-k', but --limit", "search", "-t", "red", "--top-k", "3"),
    usage("--where", "No such option '--where', but --filter", "search", "-t", "red", "--where", "year > 3"),
    usage("--host", "No such option '--host', but --uri", "search", "-t", "red", "--host", "localhost"),
    usage("--device", "No such option '--device', but --provider", "search", "-t", "red", "--device", "cuda"),
    usage("--rejects", "ingest, adopt have it", "search", "-t", "red", "--rejects", "r.jsonl"),
    usage("--into images", "is not one of 'image'", "search", "-t", "red", "--into", "images"),
    usage("a sheet of PDF", ".png, .html can be drawn", "search", "-t", "red", "--sheet", "hits.pdf"),
    usage("pictures alone", "--pictures goes with --sheet", "search", "-t", "red", "--pictures", "pictures"),
    usage("radius and limit", "leave out --limit", "search", "-t", "red", "--radius", "3", "--limit", "5"),
    usage("without alone", "ask something: --text TEXT", "search", "--without", "red"),
    wrong("a blank", "the text is empty", "search", "-t", " ", *SHOP),
    wrong("no picture", "it is looked for in", "search", "-i", "nowhere.png", *SHOP),
    wrong("an address", "https://x.org/a.png is an address", "search", "-i", "https://x.org/a.png?token=secret", *SHOP),
    wrong("one =", "write it as in year > 1990", "search", "-t", "red", "--filter", "year = 2000", *SHOP),
    wrong("no quotes", "texts in double quotes", "search", "-t", "red", "--filter", "brand == nike", *SHOP),
    wrong("a misspelt field", "no row of 'shop' has a field", "search", "-t", "red", "--filter", "yaer > 3", *SHOP),
    wrong("a radius beyond", "an integer from 0 to 64", "search", "-t", "red", "--radius", "100", *SHOP),
    wrong("a provider", "available: ", "search", "-t", "red", "--provider", "gpu", *SHOP),
]
PLACES = [
    wrong("a file that is not there", "which is not there itself", "search", "-t", "red", "--uri", "typo.db"),
    wrong("a collection that is not", "make it, for instance with", "search", "-t", "red", *SHOP[:2], "-c", "nope"),
    wrong("a name with a space", "letters, digits and underscores", "search", "-t", "red", *SHOP[:2], "-c", "my shop"),
    wrong("another bundle", "use its bundle, or another collection", "search", "-t", "red", *SHOP[:4]),
    wrong("no http", "a server is http://HOST:PORT", "search", "-t", "red", "--uri", "localhost:19530"),
    wrong("a folder", "must end in .db", "search", "-t", "red", "--uri", "pictures"),
    wrong("a folder called .db", "name another one", "search", "-t", "red", "--uri", "folder.db"),
    wrong("another file called .db", "name another one", "search", "-t", "red", "--uri", "text.db"),
    wrong("no folder", "create it first", "search", "-t", "red", "--uri", "no/where/a.db"),
    wrong(
        "a dead port", "is the server running", "search", "-t", "red", "--uri", "http://127.0.0.1:1", "--timeout", "2"
    ),
    wrong(
        "a token in the uri",
        "is the server running",
        *("search", "-t", "red", "--uri", "http://root:secret@127.0.0.1:1", "--timeout", "2"),
    ),
    wrong("a token in the query", "given apart from it", "search", "-t", "red", "--uri", "http://h:1?token=secret"),
    wrong(
        "no certificate", "there is no such file", "search", "-t", "red", "--uri", "https://h:1", "--ca-cert", "ca.pem"
    ),
    wrong(
        "half a TLS", "--client-key) together", "search", "-t", "red", "--uri", "https://h:1", "--client-cert", "a.txt"
    ),
    wrong("a training run", "run --out FOLDER` makes a bundle", "search", "-t", "red", *SHOP[:2], "-b", "run"),
    wrong("a checkpoint", "a bundle is a folder", "search", "-t", "red", *SHOP[:2], "-b", "run/checkpoint.pt"),
    wrong("a parent", "name one of the bundles in it", "search", "-t", "red", *SHOP[:2], "-b", "."),
    wrong("a zip", "unpack an archive", "search", "-t", "red", *SHOP[:2], "-b", "bundle.zip"),
    wrong("a file of a bundle", "name its folder", "search", "-t", "red", *SHOP[:2], "-b", "bundle/bundle.json"),
    wrong("no bundle", "there is no such folder", "search", "-t", "red", *SHOP[:2], "-b", "nowhere"),
]
FILLS = [
    usage("a pattern", "Path 'pictures/*.png' does not exist", "ingest", "pictures/*.png", "--uri", "new.db"),
    usage(
        "two sources", "ingest takes SOURCE without an option", "ingest", "pictures", "shop.jsonl", "--uri", "new.db"
    ),
    usage("--source", "No such option '--source', but SOURCE", "ingest", "--source", "shop.jsonl"),
    usage("-t", "search has it", "ingest", "shop.jsonl", "-t", "red"),
    usage("a field alone", "is not NAME:TYPE", "ingest", "shop.jsonl", "--field", "year"),
    usage("another type", "one of the types str, int", "ingest", "shop.jsonl", "--field", "year:date"),
    usage("two types", "give it once", "ingest", "shop.jsonl", "--field", "year:int", "--field", "year:str"),
    usage("an index of floats", "is not one of 'auto'", "ingest", "shop.jsonl", "--index", "IVF_FLAT"),
    wrong("a caption", "rename the one with the pictures", "ingest", "caption.csv", "--uri", "new.db"),
    wrong("semicolons", "save it with commas", "ingest", "semicolons.csv", "--uri", "new.db"),
    wrong("an archive", "unpack an archive", "ingest", "bundle.zip", "--uri", "new.db"),
    wrong("one picture", "of single files name the folder", "ingest", "pictures/red.png", "--uri", "new.db"),
    wrong("an empty folder", "holds no picture", "ingest", "empty", "--uri", "new.db"),
    wrong("nothing on stdin", "standard input has no rows", "ingest", "-", "--uri", "new.db"),
    wrong("the database", "the suffix must be one of", "ingest", "shop.db", "--uri", "new.db"),
    wrong(
        "a field with a space", "a name is letters", "ingest", "shop.jsonl", *SHOP[:2], "-c", "x", "--field", "a b:int"
    ),
    wrong("other fields", "has fields year:int, not year:str", "ingest", "shop.jsonl", *SHOP, "--field", "year:str"),
    wrong("other bits", "leave bits out", "ingest", "shop.jsonl", *SHOP, "--bits", "32"),
    wrong("another bundle", "use its bundle, or another collection", "ingest", "shop.jsonl", *SHOP[:4]),
    wrong("no folder for rejects", "name another", "ingest", "shop.jsonl", *SHOP, "--rejects", "no/where/r.jsonl"),
    wrong("a long name", "at most 36 characters", "ingest", "shop.jsonl", "--uri", f"{'x' * 40}.db"),
]
OTHERS = [
    usage("delete nothing", "name items, or give a --filter", "delete", *SHOP[:4]),
    usage("delete --id", "No such option '--id', but ITEMS", "delete", *SHOP[:4], "--id", "red"),
    usage("delete a plural", "is not one of 'image'", "delete", *SHOP[:4], "red", "--modality", "images"),
    wrong("delete with one =", "the filter 'year = 3' on 'shop'", "delete", *SHOP[:4], "--filter", "year = 3"),
    wrong("delete in another", "there is no collection 'milvus_hash'", "delete", "shop", "red", *SHOP[:2]),
    usage("tune -c", "No such option '-c', but COLLECTION", "tune", "-c", "shop", *SHOP[:2]),
    usage("tune percent", "0<x<=1", "tune", "shop", "--recall", "99"),
    wrong("tune a few rows", "there is nothing to tune", "tune", "shop", *SHOP[:2]),
    usage("alias two names", "alias takes NAME without an option", "alias", "prod", "shop"),
    usage("alias without a name", "milvus-hash alias NAME --to COLLECTION", "alias", "--to", "shop"),
    usage("alias rows", "for instance image=1000", "alias", "prod", "--to", "shop", "--at-least", "1000"),
    usage("adopt two names", "such as --vector-field", "adopt", "shop", "vector"),
    usage("adopt no field", "name SOURCE and its --vector-field", "adopt", "shop"),
    usage("doctor a name", "doctor takes nothing without an option", "doctor", "shop"),
    usage("repair alone", "--repair needs --collection", "doctor", *SHOP[:2], "--repair"),
    usage("demo --uri", "have it", "demo", "--uri", "http://127.0.0.1:1"),
    usage("export two names", "Missing option '--out'", "export", "run", "out"),
    usage("another data set", "is not one of 'coco'", "dataset", "imagenet"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_bundle) -> Iterator[Path]:
    """A folder with a bundle, a filled collection, and things that are neither."""
    folder: Path = tmp_path_factory.mktemp("mistakes")
    for name in ("pictures", "empty", "run", "folder.db"):
        (folder / name).mkdir()
    (folder / "bundle").symlink_to(tiny_bundle)
    (folder / "run" / "checkpoint.pt").write_bytes(b"weights")
    with zipfile.ZipFile(folder / "bundle.zip", "w") as archive:
        archive.write(tiny_bundle / "bundle.json")
    Image.new("RGB", (20, 20), "red").save(folder / "pictures" / "red.png")
    row = {"id": "red", "image": "pictures/red.png", "text": "red", "year": 2000, "brand": "nike"}
    (folder / "shop.jsonl").write_text(json.dumps(row))
    (folder / "caption.csv").write_text("id,caption\n1,red\n")
    (folder / "semicolons.csv").write_text("id;text\n1;red\n")
    for name in ("a.txt", "text.db"):
        (folder / name).write_text("this is neither a table nor a database")
    done = run(folder, "ingest", "shop.jsonl", *SHOP, "--field", "year:int")
    assert done.exit_code == 0, done.output
    with closing(Connection(folder / "shop.db")) as connection:  # held: starting Milvus Lite takes half a second
        assert connection.client is not None
        yield folder


def run(folder: Path, *arguments: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("MILVUS_URI", "MILVUS_TOKEN", "MILVUS_DB"):
            patch.delenv(name, raising=False)
        return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(("arguments", "exit_code", "piece"), [*SEARCHES, *PLACES, *FILLS, *OTHERS])
def test_a_command(place, arguments, exit_code, piece):
    before = {path.name for path in place.iterdir()}
    done = run(place, *arguments)
    *_, error = done.stderr.strip().splitlines()
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert isinstance(done.exception, SystemExit)
    assert error.startswith("Error: ")
    assert piece in error
    check_words(done.stderr)
    assert {path.name for path in place.iterdir()} == before, "it made something"
