"""The commands as a user runs them: exit codes, what goes to stdout and what to stderr."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from milvus_hash.cli import main
from milvus_hash.collection import HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.store import lite

COLOURS = {"red": "CC0", "green": "CC0", "blue": "CC-BY"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No settings of the machine, and a working directory of the test's own."""
    for name in ("MILVUS_URI", "MILVUS_TOKEN", "MILVUS_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("colours")
    path = folder / "manifest.jsonl"
    with path.open("w") as file:
        for number, (colour, licence) in enumerate(COLOURS.items()):
            Image.new("RGB", (20, 20), colour).save(folder / f"{colour}.png")
            row = {"id": colour, "image": f"{colour}.png", "text": colour, "licence": licence, "year": 2000 + number}
            file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture(scope="module")
def filled(manifest, tiny_bundle, tmp_path_factory) -> str:
    """The uri of a Milvus Lite file that ``ingest`` filled."""
    uri = str(tmp_path_factory.mktemp("filled") / "filled.db")
    rejects = str(Path(uri).with_suffix(".jsonl"))
    done = run("ingest", manifest, "--bundle", tiny_bundle, "--uri", uri, "--rejects", rejects, "--field", "year:int")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    return uri


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def lines(done: Result) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def error_line(done: Result) -> str:
    assert done.exit_code == 1, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_search_writes_json_lines_with_everything(filled, tiny_bundle):
    done = run("search", "--uri", filled, "--bundle", tiny_bundle, "--text", "red", "--limit", "2")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    first, second = lines(done)
    assert (first["rank"], second["rank"]) == (1, 2)
    assert first["query"] == {"text": "red"}
    assert (first["item"], first["modality"], first["ordinal"]) == ("red", "image", 0)
    assert (first["distance"], first["score"]) == (0, 1.0)
    assert first["fields"]["licence"] == "CC0"
    assert first["fields"]["year"] == 2000
    assert Path(first["fields"]["path"]).name == "red.png"


def test_several_questions_are_answered_one_by_one(filled, tiny_bundle, manifest):
    picture = manifest.parent / "blue.png"
    asked = ["-t", "green", "-i", picture, "-t", "red"]
    done = run("search", "--uri", filled, "-b", tiny_bundle, *asked, "--into", "text", "-n", 1)
    assert [(next(iter(row["query"].values())), row["item"], row["fields"]["text"]) for row in lines(done)] == [
        ("green", "green", "green"),
        ("red", "red", "red"),
        (str(picture), "blue", "blue"),
    ]


def test_filters_reach_declared_and_dynamic_fields(filled, tiny_bundle):
    def found(expression: str) -> set[str]:
        done = run("search", "--uri", filled, "-b", tiny_bundle, "-t", "red", "--filter", expression)
        return {row["item"] for row in lines(done)}

    assert found('licence == "CC0"') == {"red", "green"}
    assert found("year > 2000") == {"green", "blue"}
    assert found('licence == "CC0" and year > 2000') == {"green"}


@pytest.mark.parametrize("name", ["hits.png", "hits.html"])
def test_a_sheet_is_drawn_beside_the_hits(filled, manifest, tiny_bundle, tmp_path, name):
    ask = ["search", "--uri", filled, "-b", tiny_bundle, "-t", "red", "--sheet", tmp_path / name]
    done = run(*ask, "--pictures", manifest.parent)
    assert len(lines(done)) == 3
    assert done.stderr == f"contact sheet: {tmp_path / name}\n"
    assert (tmp_path / name).stat().st_size > 1000
    assert run(*ask, "-q").stderr == ""


def test_a_sheet_shows_pictures_of_the_current_folder_and_says_how_many_it_does_not(
    filled, manifest, tiny_bundle, tmp_path, monkeypatch
):
    ask = ["search", "--uri", filled, "-b", tiny_bundle, "-t", "red", "--sheet", tmp_path / "hits.html"]
    monkeypatch.chdir(manifest.parent)
    assert run(*ask).stderr.count("\n") == 1
    assert (tmp_path / "hits.html").read_text().count("data:image") == 3
    monkeypatch.chdir(tmp_path)
    assert f"does not show 3 files outside {tmp_path}; name their folders" in run(*ask).stderr
    assert "data:image" not in (tmp_path / "hits.html").read_text()


def test_what_was_left_out_of_a_folder_is_one_line(tiny_bundle, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.pdf", "b.pdf", "c.docx", ".hidden", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    (folder / "red.txt").write_text("red")
    ask = ["ingest", folder, "-b", tiny_bundle, "--uri", tmp_path / "a.db", "--rejects", tmp_path / "r.jsonl"]
    done = run(*ask)
    assert done.exit_code == 0
    assert f"left out of {folder}: 2 .pdf, 1 .docx\n" in done.stderr
    assert run(*ask, "-q").stderr == ""


def test_a_manifest_on_standard_input(tiny_bundle, tmp_path):
    uri = tmp_path / "a.db"
    ask = ["ingest", "-", "-b", tiny_bundle, "--uri", uri, "--rejects", tmp_path / "r.jsonl"]
    done = CliRunner().invoke(main, list(map(str, ask)), input='{"id": "1", "text": "red"}\nbroken\n')
    assert (done.exit_code, "1 rows written, 0 skipped, 1 rejected" in done.stderr) == (3, True)
    assert json.loads((tmp_path / "r.jsonl").read_text())["path"] == "-:2"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["search"],
        ["search", "--video"],
        ["search", "--text", "x", "--limit", "0"],
        ["search", "--text", "x", "--into", "audio"],
        ["search", "--text", "x", "--sheet", "hits.pdf"],
        ["search", "--text", "x", "--pictures", "folder"],
    ],
)
def test_wrong_usage_is_exit_2(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--text", "red", "--collection", "other"], "there is no collection 'other'", id="collection"),
        pytest.param(["--text", " "], "the text is empty", id="text"),
        pytest.param(["--image", "gone.png"], "gone.png does not exist", id="picture"),
        pytest.param(["--video", "gone.mp4"], "tiny cannot encode 'video'; it has image, text", id="clip"),
        pytest.param(["--text", "red", "--filter", "year >"], "the filter 'year >'", id="filter"),
        pytest.param(["--text", "red", "--provider", "nonsense"], "no provider 'nonsense'", id="provider"),
    ],
)
def test_an_expected_error_is_one_line_and_exit_1(filled, tiny_bundle, arguments, message):
    done = run("search", "--uri", filled, "--bundle", tiny_bundle, *arguments)
    assert message in error_line(done)


def test_a_server_that_is_down_is_one_line_without_the_password(tiny_bundle, capfd):
    done = run(
        "search", "--uri", "http://127.0.0.1:1", "--token", "root:Secret123", "--bundle", tiny_bundle, "-t", "red"
    )
    warning, error = done.stderr.splitlines()
    assert "MILVUS_TOKEN" in warning
    assert error.startswith("Error: cannot open http://127.0.0.1:1")
    assert "Secret123" not in done.output
    assert capfd.readouterr() == ("", "")


def test_an_unexpected_error_keeps_its_traceback(filled, tiny_bundle, monkeypatch):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(HashCollection, "search", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        run("search", "--uri", filled, "--bundle", tiny_bundle, "--text", "red")


def test_ctrl_c_is_exit_130(filled, tiny_bundle, monkeypatch):
    def interrupt(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(HashCollection, "search", interrupt)
    assert run("search", "--uri", filled, "--bundle", tiny_bundle, "--text", "red").exit_code == 130


def test_another_bundle_is_refused_with_both_fingerprints(filled, other_encoder, tiny_encoder):
    message = error_line(run("search", "--uri", filled, "--bundle", other_encoder.bundle.path, "--text", "red"))
    assert tiny_encoder.fingerprint in message
    assert other_encoder.fingerprint in message


def test_the_environment_says_where_milvus_is(filled, tiny_bundle, monkeypatch):
    monkeypatch.setenv("MILVUS_URI", filled)
    assert len(lines(run("search", "--bundle", tiny_bundle, "--text", "red"))) == 3


def test_texts_that_are_cut_are_said(tiny_bundle, tmp_path):
    """The tiny bundle reads eight words; a ninth changes nothing."""
    long = "a red flower and a blue bus with"
    rows = [{"id": "whole", "text": long}, {"id": "cut", "text": [f"{long} the cat", "red", f"{long} the dog"]}]
    Path("texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    where = ("--bundle", tiny_bundle, "--uri", tmp_path / "t.db")
    done = run("ingest", "texts.jsonl", *where)
    assert done.exit_code == 0
    assert "2 texts are longer than the bundle reads: only their beginnings count" in done.stderr
    assert "longer" not in run("ingest", "texts.jsonl", *where, "--resume").stderr
    with pytest.warns(RuntimeWarning, match="longer than the 8 tokens"):
        assert len(lines(run("search", *where, "--text", f"{long} the cat", "--into", "text", "--radius", 0))) == 3


def test_ingest_into_a_collection_that_is_there(filled, tiny_bundle, manifest):
    def again(*options: str) -> Result:
        return run("ingest", manifest, "--bundle", tiny_bundle, "--uri", filled, *options)

    done = again("--resume")
    assert done.exit_code == 0
    assert "0 rows written, 6 skipped, 0 rejected" in done.stderr
    assert again("--quiet").stderr == ""
    assert "has bits 64, not 32" in error_line(again("--bits", "32"))
    assert "leave fields out" in error_line(again("--field", "year:str"))
    assert again("--bits", "64", "--index", "bin_flat", "--field", "year:int").exit_code == 0
    assert not Path("rejects.jsonl").exists()


def test_ingest_takes_a_nested_length(tiny_bundle, manifest, lite_file, tiny_encoder):
    assert run("ingest", manifest, "--bundle", tiny_bundle, "--uri", lite_file, "--bits", 32).exit_code == 0
    with HashCollection.open("milvus_hash", tiny_encoder, uri=lite_file) as collection:
        assert collection.bits == 32
        assert collection.count() == 6


def test_a_store_that_fails_says_how_to_go_on(tiny_bundle, manifest, lite_file, monkeypatch):
    def fail(*_args: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(HashCollection, "add_codes", fail)
    done = run("ingest", manifest, "--bundle", tiny_bundle, "--uri", lite_file)
    assert done.exit_code == 1
    assert "--resume" in done.stderr
    assert done.stderr.endswith("Error: the disk is full\n")


@pytest.mark.parametrize("value", ["year", "year:date", ":int"])
def test_a_field_without_a_type_is_wrong_usage(value, tiny_bundle, manifest):
    done = run("ingest", manifest, "--bundle", tiny_bundle, "--field", value)
    assert done.exit_code == 2
    assert "NAME:TYPE" in done.stderr


def findings(*arguments: object) -> tuple[int, dict[str, tuple[str, str]]]:
    done = run("doctor", *arguments)
    return done.exit_code, {row["check"]: (row["state"], row["detail"]) for row in lines(done)}


def test_doctor_when_all_is_well(filled, tiny_bundle, tiny_encoder):
    code, found = findings("--bundle", tiny_bundle, "--uri", filled, "--collection", "milvus_hash")
    assert code == 0
    assert {state for state, _ in found.values()} == {"ok"}
    assert tiny_encoder.fingerprint in found["bundle"][1]
    assert "CPUExecutionProvider" in found["onnxruntime"][1]
    assert "3 image, 3 text" in found["collection"][1]


def test_doctor_creates_nothing(tiny_bundle, tmp_path):
    code, found = findings("--bundle", tiny_bundle)
    assert code == 0
    assert found["milvus"][0] == "note"
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_what_is_broken_and_no_secret(filled, other_encoder, tmp_path):
    (tmp_path / "nothing").mkdir()
    where = ["--uri", "http://u:Secret1@127.0.0.1:1", "--token", "u:Secret2"]
    code, found = findings("--bundle", tmp_path / "nothing", *where)
    assert code == 1
    assert found["bundle"][0] == "broken"
    assert found["milvus"][0] == "broken"
    assert "Secret" not in str(found)
    code, found = findings("--bundle", other_encoder.bundle.path, "--uri", filled, "--collection", "milvus_hash")
    assert code == 1
    assert "distances between them mean nothing" in found["collection"][1]


def test_doctor_says_which_milvus_lite_runs_and_what_it_costs(filled, tiny_bundle):
    _, found = findings("--bundle", tiny_bundle, "--uri", filled)
    version = metadata.version("milvus-lite")
    assert found["milvus-lite"][0] == "ok"
    assert found["milvus-lite"][1].startswith(f"{version}: codes as {'floats' if version[0] == '3' else 'bits'}")


def test_doctor_without_milvus_lite(filled, tiny_bundle, monkeypatch):
    real = metadata.version

    def version(name: str) -> str:
        if name == "milvus-lite":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    lite.is_three.cache_clear()
    code, found = findings("--bundle", tiny_bundle, "--uri", filled)
    assert code == 1
    assert found["milvus-lite"][0] == "broken"
    assert "pip install 'milvus-hash[lite]'" in found["milvus-lite"][1]
    code, found = findings("--bundle", tiny_bundle, "--uri", "http://127.0.0.1:1")
    assert found["milvus-lite"][0] == "note"  # a server does not need it


def test_without_onnxruntime_the_pip_line_is_given(tiny_bundle, filled, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = run("search", "--uri", filled, "--bundle", tiny_bundle, "--text", "red")
    assert "pip install 'milvus-hash[cpu]'" in error_line(done)
    code, found = findings("--bundle", tiny_bundle, "--uri", filled)
    assert code == 1
    assert found["onnxruntime"][0] == "broken"


@pytest.mark.parametrize("verb", ["train", "export", "dataset"])
def test_without_the_training_half_the_pip_line_is_given(verb, manifest, monkeypatch):
    for name in ("train", "export", "datasets"):
        monkeypatch.setitem(sys.modules, f"milvus_hash_export.{name}", None)
    arguments = {
        "train": [manifest, "--out", "run"],
        "export": [manifest.parent, "--out", "bundle"],
        "dataset": ["openclipart", "--root", manifest.parent, "--out", "m.jsonl"],
    }
    assert "pip install 'milvus-hash[export]'" in error_line(run(verb, *arguments[verb]))


def test_demo_writes_its_database_and_its_sheet(manifest, tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("milvus_hash.cli.demo.sample_path", lambda: manifest)
    for _ in range(2):  # the second run starts anew
        done = run("demo", "--bundle", tiny_bundle)
        assert done.exit_code == 0, done.output
        assert "6 rows written" in done.stderr
    assert {row["modality"] for row in lines(done)} == {"image", "text"}
    assert (tmp_path / "milvus_hash_demo.png").stat().st_size > 1000
    assert "milvus-hash search --uri milvus_hash_demo.db --collection demo" in done.stderr
    assert run("search", "--uri", "milvus_hash_demo.db", "-c", "demo", "-b", tiny_bundle, "-t", "red").exit_code == 0


def test_eval_writes_figures_and_the_report(manifest, tiny_bundle, tmp_path):
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    for row in rows:
        row.update(image=str(manifest.parent / row["image"]), labels=[row["id"]], split=["query", "database"])
    rows.append({**rows[0], "id": "bad", "image": "gone.png"})
    path = tmp_path / "eval.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("eval", tiny_bundle, path, "--bits", "32,64", "--out", tmp_path / "report")
    assert done.exit_code == 3, done.output
    found = {(row["task"], row["bits"]): row["map"] for row in lines(done)}
    assert found["text->image", 64] == 1.0
    assert {bits for _, bits in found} == {32, 64}
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == ["report.json", "report.md", "report.png"]
    assert "report.json lists them" in done.stderr
