"""`bascule audit`: exit codes, forms, the system, baselines and mending, as a user sees them."""

from __future__ import annotations

import io
import json
import stat
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from bascule.audit import technologies
from bascule.audit.estate import Estate, Reader
from bascule.audit.finding import Edit, Found
from bascule.audit.place import Place
from bascule.audit.rule import rule
from bascule.cli.main import main
from bascule.system.starter import STARTER

ROOT = Path(__file__).resolve().parents[3]
SOUND = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
TWICE = f"{SOUND}  name: b  # the second\n"


@rule(
    "BSC-SYS-999",
    "nothing-is-called-b",
    severity="low",
    technology="system",
    breaks=("rto",),
    why="Nobody remembers what b was.",
    fix="Call it c.",
    source="a test",
)
def named_b(estate: Estate) -> Iterator[Found]:
    """Every line that says `name: b`, mended to c; at the system's first line one without a mend."""
    for file in estate.files.values():
        for number, line in enumerate(file.lines, 1):
            if "name: b" in line:
                start = line.index("name: b") + 7
                place = Place(file.name, number, start, number, start + 1)
                yield Found(place=place, what="it is called b", edits=(Edit(place=place, text="c"),))


@pytest.fixture
def with_fixable(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more rule, whose findings can be mended."""
    ours = technologies.rules()
    monkeypatch.setattr(technologies, "rules", lambda: (*ours, named_b))


@pytest.fixture(autouse=True)
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "deploy"
    path.mkdir()
    (path / "sound.yaml").write_text(SOUND)
    (path / "twice.yaml").write_text(TWICE)
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["audit", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_exit_code_is_whether_the_gate_is_reached(deploy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deploy / "broken.yaml").write_text("a: [\n")
    assert told(capsys, "deploy")[0] == 1
    assert told(capsys, "deploy", "--fail-on", "critical")[0] == 0
    assert told(capsys, "deploy", "--fail-on", "never")[0] == 0
    assert told(capsys, "deploy/sound.yaml", "--fail-on", "low")[0] == 0
    assert told(capsys, "deploy", "--skip", "BSC-FILE-001", "--rule", "BSC-FILE-001")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere"],
        ["--rule", "BSC-FILE-999", "deploy"],
        ["--explain", "nothing"],
        ["--unknown"],
        ["deploy", "--fail-on", "some"],
        ["deploy", "--dry-run"],
        ["deploy", "--baseline", "nowhere.json"],
        ["deploy", "--system", "deploy/sound.yaml"],
        ["deploy", "--system", "nowhere.yaml"],
        ["deploy", "--output", "nowhere/x.json"],
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, *words)
    assert code == 2
    assert "Traceback" not in err
    assert len(err.splitlines()) >= 1


def test_an_empty_directory_is_nothing_to_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = told(capsys, "empty")
    assert code == 2
    assert "there is nothing to audit" in err


def test_people_see_where_why_and_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "deploy")
    assert "deploy/twice.yaml" in out
    assert "5:3" in out
    assert "BSC-FILE-002" in out
    assert "5 │   name: b  # the second" in out
    assert "2 files" in out


def test_without_paths_the_current_directory_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    assert "deploy/twice.yaml\n" in told(capsys)[1]


def test_standard_input_is_audited(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TWICE.encode())))
    code, out, _ = told(capsys, "-", "--fail-on", "medium")
    assert code == 1
    assert "standard input" in out


@pytest.mark.parametrize("form", ["json", "sarif", "junit", "markdown", "text"])
def test_every_form_can_be_printed_and_written(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "deploy", "--format", form)
    assert "BSC-FILE-002" in out
    _, nothing, err = told(capsys, "deploy", "--format", form, "--output", "found.txt")
    written = Path("found.txt").read_text()
    assert nothing == ""
    assert "2 files" in err
    assert "BSC-FILE-002" in written
    if form in {"json", "sarif"}:
        assert json.loads(written) == json.loads(out)
    if form == "junit":
        assert ET.fromstring(written).get("tests") == "1"  # noqa: S314 - our own document


def test_errors_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(told(capsys, "nowhere", "--json")[1])["exit_code"] == 2
    assert json.loads(told(capsys, "deploy", "--json")[1])["counts"]["high"] == 1


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "--list")
    assert code == 0
    assert {one.id for one in technologies.rules()} <= set(out.split())
    listed = json.loads(told(capsys, "--list", "--json")[1])
    assert [one["id"] for one in listed] == [one.id for one in technologies.rules()]
    _, out, _ = told(capsys, "--explain", "bsc-file-002")
    assert "duplicate-key" in out
    assert "Keep the one that is meant" in out
    assert json.loads(told(capsys, "--explain", "BSC-FILE-002", "--json")[1])["severity"] == "medium"


@pytest.mark.usefixtures("with_fixable")
def test_a_system_file_is_recognised_and_its_promises_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    system = Path("bascule.yaml")
    system.write_text(STARTER)
    for words in (["bascule.yaml", "deploy"], ["deploy", "--system", "bascule.yaml"]):
        found = json.loads(told(capsys, *words, "--json")[1])
        assert found["system"]
        assert found["unknown"] == [] or "bascule.yaml" not in found["unknown"]
        (ours,) = [one for one in found["findings"] if one["rule"] == "BSC-SYS-999"]
        assert "for the loss of one" in ours["breaks"][0]
    assert json.loads(told(capsys, "deploy", "--json")[1])["system"] == ""
    system.write_text(STARTER + "nonsense: 1\n")
    code, _, err = told(capsys, "bascule.yaml", "deploy")
    assert code == 2
    assert "nonsense" in err


def test_a_baseline_holds_back_what_was_there(deploy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = ("deploy", "--fail-on", "low")
    assert told(capsys, *gate)[0] == 1
    assert told(capsys, "deploy", "--write-baseline", "b.json")[0] == 0
    code, out, _ = told(capsys, *gate, "--baseline", "b.json")
    assert code == 0
    assert "1 in the baseline" in out
    (deploy / "twice.yaml").write_text(f"# moved\n{TWICE}")
    assert told(capsys, *gate, "--baseline", "b.json")[0] == 0
    (deploy / "twice.yaml").write_text(SOUND)
    (deploy / "sound.yaml").write_text(TWICE)
    code, out, _ = told(capsys, *gate, "--baseline", "b.json")
    assert code == 1
    assert "not found any more: BSC-FILE-002 deploy/twice.yaml" in out


@pytest.fixture
def fixable(deploy: Path, with_fixable: None) -> Path:
    del with_fixable
    Path("bascule.yaml").write_text(STARTER)
    path = deploy / "named.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: b   # kept\r\nother: 1\r\n")
    path.chmod(0o662)
    return path


FIX = ("bascule.yaml", "deploy/named.yaml", "--rule", "BSC-SYS-999", "--fix")


def test_a_dry_run_shows_the_change_and_writes_nothing(fixable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = fixable.read_bytes()
    code, _, err = told(capsys, *FIX, "--dry-run", "--fail-on", "low")
    assert code == 1
    assert "-name: b   # kept" in err
    assert "+name: c   # kept" in err
    assert fixable.read_bytes() == before


def test_what_is_mended_keeps_all_else(fixable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, *FIX, "--yes", "--fail-on", "low")
    assert code == 0
    assert fixable.read_bytes() == b"\xef\xbb\xbfname: c   # kept\r\nother: 1\r\n"
    assert stat.S_IMODE(fixable.stat().st_mode) == 0o662
    assert "1 finding can be mended in 1 file" in err
    assert "no findings" in out
    assert sorted(path.name for path in fixable.parent.iterdir()) == ["named.yaml", "sound.yaml", "twice.yaml"]


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("n\n", False), ("", False)])
def test_on_a_terminal_it_asks(
    answer: str, *, written: bool, fixable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(terminal, "buffer", io.BytesIO(), raising=False)
    monkeypatch.setattr(sys, "stdin", terminal)
    _, _, err = told(capsys, *FIX)
    assert "Write 1 file? [y/N]" in err
    assert (b"name: c" in fixable.read_bytes()) is written


def test_where_nobody_can_be_asked_nothing_is_written(
    fixable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(), isatty=lambda: False))
    before = fixable.read_bytes()
    code, _, err = told(capsys, *FIX)
    assert code == 2
    assert "add --yes" in err
    assert fixable.read_bytes() == before


def test_a_link_that_is_named_stays_one(fixable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = Path("link.yaml")
    link.symlink_to(fixable)
    told(capsys, "bascule.yaml", "link.yaml", "--fix", "--yes")
    assert link.is_symlink()
    assert b"name: c" in fixable.read_bytes()


def test_a_file_of_another_encoding_is_not_written(fixable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixable.write_bytes("name: b\n".encode("utf-16"))
    before = fixable.read_bytes()
    code, _, err = told(capsys, *FIX, "--yes")
    assert code == 2
    assert "no UTF-8" in err
    assert fixable.read_bytes() == before


def test_a_reader_of_another_technology_may_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> object:
        raise RecursionError("\x1b[31mtoo deep")

    monkeypatch.setattr(technologies, "readers", lambda: (Reader(technology="kafka", read_yaml=fail),))
    code, out, _ = told(capsys, "deploy/sound.yaml")
    assert code == 1
    assert "BSC-AUDIT-001" in out
    assert "\x1b[31mtoo deep" not in out


LOAD_BALANCER = "global\n  maxconn 100\ndefaults\n  mode tcp\nbackend b\n  server a 10.0.0.1:80\n"
FLOATING = "vrrp_instance v {\n  state MASTER\n  interface eth0\n  virtual_router_id 5\n}\n"
BROKER = "# one broker\nbroker.id=1\nlog.dirs=/data,\\\n  /more\n"


@pytest.mark.parametrize(
    ("text", "technology"), [(LOAD_BALANCER, "haproxy"), (FLOATING, "keepalived"), (BROKER, "kafka")]
)
def test_what_is_named_is_told_by_its_content(
    text: str, technology: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lb.txt").write_text(text)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    for name in ("lb.txt", "-"):
        found = json.loads(told(capsys, name, "--json")[1])
        assert found["technologies"] == {technology: 1}
        assert found["unknown"] == []


def test_a_broker_inside_a_manifest_is_a_manifest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "".join(f"    {line}\n" for line in BROKER.splitlines())
    manifest = f"{SOUND}data:\n  server.properties: |\n{lines}"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(manifest.encode())))
    assert json.loads(told(capsys, "-", "--json")[1])["technologies"] == {"kubernetes": 1}


@pytest.mark.parametrize("content", [b"colour: blue\n", b"", b"just words\n", b"\x00\x01"])
def test_what_is_named_and_of_no_known_technology_is_found(
    content: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.txt").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    for name in ("other.txt", "-"):
        code, out, _ = told(capsys, name, "deploy/sound.yaml")
        assert code == 1
        assert "BSC-FILE-006" in out


def test_what_was_only_found_in_a_directory_may_be_anything(deploy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deploy / "values.yaml").write_text("colour: blue\n")
    code, out, _ = told(capsys, "deploy", "--rule", "BSC-FILE-006", "--fail-on", "low")
    assert code == 0
    assert "BSC-FILE-006" not in out


def test_a_template_that_was_not_rendered_is_at_the_gate(deploy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deploy / "sound.yaml").write_text("apiVersion: v1\nkind: {{ .Values.kind }}\n")
    code, out, _ = told(capsys, "deploy", "--rule", "BSC-FILE-005")
    assert code == 1
    assert "BSC-FILE-005" in out


def test_the_hook_audits_everything_and_not_what_changed_alone() -> None:
    (hook,) = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["pass_filenames"] is False, "rules about several files need all of them"
    assert hook["args"] == ["."]
    assert hook["entry"] == "bascule audit"
