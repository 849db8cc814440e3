from __future__ import annotations

from pathlib import Path

import pytest

from bascule.cluster.agent.configuration import Configuration, load
from bascule.kernel.errors import InputError

GOOD = """
[agent]
name = "edge-1"
cluster = "shop"
ttl = "500ms"
control = "/run/x.sock"

[store]
kind = "sqlite"
path = "/var/lib/leases.db"

[groups.edge]
priority = 200
hold_down = "30s"

[[groups.edge.actuators]]
kind = "vip"
address = "10.88.1.8/24"
interface = "eth0"
"""


def read(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return load(path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_a_file_becomes_options(tmp_path: Path) -> None:
    configuration = read(tmp_path, GOOD)
    assert configuration.agent.name == "edge-1"
    assert configuration.timing.ttl_s == 0.5
    assert configuration.timing.stop_s == 0.05
    edge = configuration.groups["edge"]
    assert edge.decided.priority == 200
    assert edge.decided.hold_down_s == 30
    assert [one.kind for one in edge.actuators] == ["vip"]
    assert not edge.decided.checked


def test_the_name_is_the_hosts_by_default(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD.replace('name = "edge-1"\n', "")).agent.name


def test_the_identity_is_the_same_whatever_the_interface_is_called(tmp_path: Path) -> None:
    here = read(tmp_path, GOOD).groups["edge"].decided.identity
    there = read(tmp_path, GOOD.replace("eth0", "ens3").replace("edge-1", "edge-2")).groups["edge"].decided.identity
    other = read(tmp_path, GOOD.replace("10.88.1.8", "10.88.1.9")).groups["edge"].decided.identity
    assert here == there
    assert here
    assert here != other


def test_every_mistake_is_told_in_one_go(tmp_path: Path) -> None:
    text = GOOD.replace("priority = 200", 'prioritty = 200\nfencing = "maybe"').replace('kind = "vip"', 'kind = "vpi"')
    told = refusal(tmp_path, text.replace('ttl = "500ms"', 'ttl = "quick"'))
    assert "prioritty" in told
    assert "did you mean priority?" in told
    assert "did you mean vip?" in told
    assert "agent.ttl" in told
    assert "groups.edge.fencing" in told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('ttl = "500ms"', 'ttl = "500ms"\nstop = "300ms"'), "leave no room for a lost renewal"),
        (('ttl = "500ms"', 'ttl = "10ms"'), "out of range"),
        (('name = "edge-1"', 'name = "edge/1"'), "is no name"),
        (('ttl = "500ms"', 'ttl = "500ms"\nwithout_store = "hold"'), "[peers] with listen"),
        (("priority = 200", 'fencing = "both"'), "needs a way to fence"),
        (("[store]", "[stor]"), "unknown table"),
        (('kind = "sqlite"', ""), "it is not said which store it is"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    assert expected in refusal(tmp_path, GOOD.replace(*change))


@pytest.mark.parametrize("text", ["", "not = [toml", "agent = 3\nstore = 4\ngroups = 5", "\udcff", "[groups]\nx = 1"])
def test_anything_else_is_refused_without_a_traceback(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError):
        load(path)


def test_a_huge_file_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    assert "1 MiB" in refusal(tmp_path, "#" * (1 << 21))
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "nothing.toml")
