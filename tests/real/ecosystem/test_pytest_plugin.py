"""The pytest plugin, in test runs of their own: what it breaks it mends, what it cannot do it says, nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.real.ecosystem.toolkit import NORTH, NOTES, ROOT, environment

from bascule.lab import abilities, mark, world

pytestmark = pytest.mark.real
ISOLATION = "loopback" if world.isolation_available() else "namespaces"
HEAD = f"""
import os, pytest, threading, urllib.request
from pathlib import Path
NORTH = {NORTH!r}
"""
DRILL = f'@pytest.mark.drill(system="notes.yaml", isolation={ISOLATION!r})\n'
STATES = "{view.state for view in lab._lab.world.processes(NORTH)}"


def write(directory: Path, *tests: str) -> None:
    there = "${system.directory}/../drill/notebook.py"
    text = NOTES.read_text()
    assert there in text
    (directory / NOTES.name).write_text(text.replace(there, str(ROOT / "tests" / "real" / "drill" / "notebook.py")))
    (directory / "pytest.ini").write_text("[pytest]\naddopts = -p bascule.testing.plugin --strict-markers -ra\n")
    (directory / "test_it.py").write_text(HEAD + "\n".join(tests))


def start(directory: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(directory / "t"), *words]
    return subprocess.Popen(
        argv,
        cwd=directory,
        env={**environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def labs(directory: Path) -> list[Path]:
    return [path.parent for path in (directory / "t").glob("lab[0-9]/lab/lab.json")]


def eventually(condition: object, limit_s: float = 60.0) -> None:
    assert callable(condition)
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s, "not in time"
        time.sleep(0.05)


def test_a_test_breaks_a_real_member_and_finds_it_mended(tmp_path: Path) -> None:
    write(
        tmp_path,
        DRILL,
        "def test_a(lab):",
        '    url = "http://%s:%d/health" % lab.address(NORTH)',
        "    assert urllib.request.urlopen(url, timeout=20).status == 200",
        '    with lab.fault("process-freeze", member=NORTH) as struck:',
        f"        assert struck.witness.seen and {STATES} == {{'frozen'}}",
        "        with pytest.raises(OSError):",
        "            urllib.request.urlopen(url, timeout=0.5)",
        f"    assert {STATES}.isdisjoint({{'frozen'}})",
        "    assert urllib.request.urlopen(url, timeout=20).status == 200",
    )
    code, said = finished(start(tmp_path))
    assert code == 0, said
    assert not any(mark.is_held(lab) for lab in labs(tmp_path))


def test_the_lab_is_shared_and_what_a_test_left_broken_is_mended_before_the_next_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        "SEEN = []",
        DRILL,
        "def test_leaves_it_broken(lab):",
        "    SEEN.append(lab.directory)",
        '    lab.inject("process-freeze", {"member": NORTH})',
        DRILL,
        "def test_finds_it_whole(lab):",
        "    assert SEEN == [lab.directory]",
        f"    assert {STATES}.isdisjoint({{'frozen'}}) and lab.is_whole()",
    )
    code, said = finished(start(tmp_path))
    assert code == 0, said


def test_the_lab_of_a_module_ends_with_it(tmp_path: Path) -> None:
    write(tmp_path, DRILL.replace(")\n", ', scope="module")\n'), "def test_a(lab): pass")
    (tmp_path / "test_later.py").write_text(
        "from pathlib import Path\nfrom bascule.lab import mark\n"
        f"def test_b():\n    (lab,) = Path({str(tmp_path / 't')!r}).glob('lab0/lab')\n"
        "    assert not mark.is_held(lab)\n"
    )
    code, said = finished(start(tmp_path))
    assert code == 0, said


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_run_is_stopped(tmp_path: Path, end: signal.Signals) -> None:
    write(
        tmp_path,
        DRILL,
        "def test_a(lab):",
        '    with lab.fault("process-freeze", member=NORTH):',
        '        Path("frozen").touch()',
        "        threading.Event().wait(100)",
    )
    process = start(tmp_path)
    eventually((tmp_path / "frozen").exists)
    (lab,) = labs(tmp_path)
    os.kill(process.pid, end)
    finished(process)
    eventually(lambda: not mark.is_held(lab))


def test_a_fault_that_is_not_seen_to_act_fails_the_test(tmp_path: Path) -> None:
    write(
        tmp_path,
        DRILL,
        "def test_a(lab):",
        '    with lab.fault("process-freeze", member=NORTH), lab.fault("process-freeze", member=NORTH):',
        "        pass",
    )
    code, said = finished(start(tmp_path))
    assert code == 1
    assert "process-freeze was not seen to act" in said


@pytest.mark.parametrize(("policy", "expected"), [("auto", 0), ("require", 1)])
def test_what_this_machine_cannot_do_is_skipped_loudly_or_fails(tmp_path: Path, policy: str, expected: int) -> None:
    write(
        tmp_path,
        '@pytest.mark.drill(system="notes.yaml", isolation="loopback")',
        "def test_a(lab):",
        f'    with lab.fault("partition", hosts=[{NORTH!r}]): pass',
    )
    code, said = finished(start(tmp_path, f"--drill={policy}"))
    assert code == expected, said
    assert "this platform has no control of network" in said
    assert ("NOTHING WAS BROKEN: 1 test was skipped" in said) is (policy == "auto")


def test_a_lab_can_be_given_clocks_and_names(tmp_path: Path) -> None:
    if why := abilities.clocks_refusal() or abilities.names_refusal():
        pytest.skip(why)
    write(
        tmp_path,
        '@pytest.mark.drill(system="notes.yaml", clocks=True, names=True)',
        "def test_a(lab):",
        '    with lab.fault("clock-step", member=NORTH, step_s=3600):',
        '        with lab.fault("dns-failure", hosts=[NORTH], how="nxdomain"): pass',
    )
    code, said = finished(start(tmp_path, "--drill=require"))
    assert code == 0, said


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    write(tmp_path, DRILL, "def test_a(lab): pass")
    text = (tmp_path / "notes.yaml").read_text().replace("engine: service", "engine: redis")
    text = text[: text.index("    options:")] + text[text.index("workload:") :].replace("port: http", "port: redis")
    (tmp_path / "notes.yaml").write_text(text)
    code, said = finished(start(tmp_path, BASCULE_REDIS_SERVER=str(tmp_path / "nowhere"), PATH=""))
    assert code == 0, said
    assert "NOTHING WAS BROKEN" in said


def test_a_wrong_system_file_is_an_error_of_the_test(tmp_path: Path) -> None:
    write(tmp_path, DRILL.replace("notes.yaml", "nowhere.yaml"), "def test_a(lab): pass")
    code, said = finished(start(tmp_path))
    assert code == 1
    assert "nowhere.yaml" in said


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        ("", "needs the mark"),
        ("@pytest.mark.drill()", "no system"),
        ('@pytest.mark.drill(system="notes.yaml", sytem="x")', "sytem"),
        ('@pytest.mark.drill(system="notes.yaml", scope="world")', "'world'"),
    ],
)
def test_a_wrong_mark_is_told(tmp_path: Path, marks: str, told: str) -> None:
    write(tmp_path, marks, "def test_a(lab): pass")
    code, said = finished(start(tmp_path))
    assert code == 1
    assert told in said


def test_a_run_that_breaks_nothing_imports_nothing_of_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        "import sys",
        "def test_a():",
        "    ours = {name for name in sys.modules if name.startswith('bascule')}",
        "    assert ours == {'bascule', 'bascule.testing', 'bascule.testing.plugin', 'bascule.kernel', "
        "'bascule.kernel.errors'}",
        "    assert 'msgspec' not in sys.modules",
    )
    code, said = finished(start(tmp_path))
    assert code == 0, said


def test_the_example_of_the_guide_holds(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "cart", tmp_path / "example")
    code, said = finished(start(tmp_path, "-p", "bascule.testing.plugin", "example"))
    assert code == 0, said
    assert "2 passed" in said
