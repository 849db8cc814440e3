"""`bascule init` and `bascule system`: what an operator sees, what a machine reads, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from ruamel.yaml import YAML

from bascule.cli.main import main
from bascule.system.starter import STARTER

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    path = tmp_path / "bascule.yaml"
    path.write_text(STARTER)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(STARTER.replace("rate: 50/s", "rate: 50").replace("engine: haproxy", "engin: haproxy"))
    return path


def test_init_writes_a_file_that_passes_check(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "shop.yaml"
    assert main(["init", str(path)]) == 0
    assert f"bascule system check {path}" in capsys.readouterr().out
    assert main(["system", "check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: OK: 3 regions, 3 zones, 3 components, 7 replicas\n"


def test_init_stands_in_the_current_folder_by_default(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "bascule.yaml"}
    assert (tmp_path / "bascule.yaml").read_text() == STARTER


def test_init_keeps_a_file_that_is_there(starter: Path, capsys: Capture) -> None:
    starter.write_text("mine")
    assert main(["init", str(starter)]) == 2
    assert capsys.readouterr().err == f"bascule: {starter}: there is a file already (name another, or say --force)\n"
    assert starter.read_text() == "mine"
    assert main(["init", str(starter), "--force"]) == 0
    assert starter.read_text() == STARTER


def test_check_tells_each_problem_on_a_line_of_its_own(broken: Path, capsys: Capture) -> None:
    assert main(["system", "check", str(broken)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    first, second = shown.err.splitlines()
    assert first.startswith(f"{broken}:")
    assert first.endswith("components.proxy.engin: unknown key 'engin' (did you mean 'engine'?)")
    assert second.endswith("workload.rate: '50' has no unit (did you mean 50/s?)")


def test_check_tells_machines_the_same(broken: Path, capsys: Capture) -> None:
    assert main(["system", "check", str(broken), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == f"2 problems in {broken}"
    assert told["exit_code"] == 2
    assert told["problems"][1] == {
        "file": str(broken),
        "line": broken.read_text().splitlines().index("  rate: 50") + 1,
        "column": 9,
        "path": "workload.rate",
        "what": "'50' has no unit",
        "hint": "did you mean 50/s?",
    }


def test_check_tells_machines_when_all_is_well(starter: Path, capsys: Capture) -> None:
    assert main(["system", "check", str(starter), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(starter),
        "system": "my-system",
        "regions": 3,
        "zones": 3,
        "components": 3,
        "replicas": 7,
    }


def test_check_tells_what_an_engine_finds_at_its_place(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(STARTER.replace("ttl: 20s", "tttl: 20s"))
    assert main(["system", "check", str(path)]) == 2
    row = next(at for at, line in enumerate(path.read_text().splitlines(), 1) if "tttl" in line)
    told = capsys.readouterr().err
    assert told.startswith(f"{path}:{row}:")
    assert "components.database.options.tttl" in told


def test_show_tells_where_what_and_which_promises(starter: Path, capsys: Capture) -> None:
    assert main(["system", "show", str(starter)]) == 0
    shown = capsys.readouterr().out
    for word in (
        "my-system",
        "paris-a: consensus, database, proxy",
        "postgresql",
        "cannot do without",
        "99.9% over 30d",
        "99% within 250ms",
        "served again within 40s, no acknowledged write lost",
        "50/s through proxy, port postgresql: unique numbers written by SQL; good within 1s, no retries",
    ):
        assert word in shown


def test_show_tells_machines_the_whole_system(starter: Path, capsys: Capture) -> None:
    assert main(["system", "show", str(starter), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["workload"]["rate"] == "50/s"
    assert told["objectives"]["disruptions"]["region"] == {"rto": "40s", "rpo": "0s"}
    assert told["components"]["database"]["needs"]["consensus"]["kind"] == "hard"


def test_show_tells_the_mix_of_an_http_workload(capsys: Capture) -> None:
    example = Path(__file__).parents[3] / "examples/taskmanagerpro/bascule.yaml"
    assert main(["system", "show", str(example)]) == 0
    shown = capsys.readouterr().out
    assert "50% list" in shown
    assert "degrades without" in shown


def test_the_schema_that_is_printed_accepts_the_starter(capsys: Capture) -> None:
    assert main(["system", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert jsonschema.Draft202012Validator(schema).is_valid(YAML(typ="safe", pure=True).load(STARTER))
    assert main(["system", "schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == schema


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    assert main(["system", "show", str(tmp_path / "no.yaml")]) == 2
    assert (
        capsys.readouterr().err == f"bascule: {tmp_path / 'no.yaml'}: no such file (`bascule init` writes a starter)\n"
    )
