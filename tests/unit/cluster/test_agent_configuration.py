from __future__ import annotations

from pathlib import Path

import pytest

from bascule.cluster.agent.configuration import Configuration, load
from bascule.cluster.agent.examination import examine
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
        (("[store]", '[peers]\nlisten = "0.0.0.0:7946"\nkey_file = "k"\n[store]'), "reach nobody there"),
        (("[store]", '[peers]\nlisten = "[::0]:7946"\nkey_file = "k"\n[store]'), "reach nobody there"),
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


def test_parts_that_cannot_be_made_are_told_all_at_once_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        """
[agent]
cluster = "shop"
name = "edge-1"
[store]
kind = "sqlite"
path = "leases.db"
[groups.edge.check]
kind = "http"
url = "gopher://x"
[[groups.edge.actuators]]
kind = "vip"
address = "10.0.0.300/24"
interface = "eth0"
[[groups.other.actuators]]
kind = "command"
name = "one"
run = ["/bin/sleep", "1"]
"""
    )
    with pytest.raises(InputError) as told:
        examine(load(path))
    text = str(told.value)
    assert str(path) in text
    for place in ("store: ", "groups.edge.check: ", "groups.edge.actuators[0]: ", "groups.other.actuators[0]: "):
        assert place in text


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[agent]\npromote_within = "0s"', "agent.promote_within: it must be longer"),
        (f'[agent]\ncontrol = "/run/{"x" * 120}"', "agent.control: the path of a socket has at most 107 bytes"),
        ('[groups.g.check]\nkind = "tcp"\naddress = "h:1"\nevery = "0s"', "groups.g.check.every: it must be longer"),
        ('[groups.g.check]\nkind = "tcp"\naddress = "h:1"\nfall = 0', "fall"),
        (
            "".join(
                f'[[groups.{group}.actuators]]\nkind = "command"\nname = "n"\npromote = ["/bin/true"]\n'
                'demote = ["/bin/true"]\n'
                for group in ("a", "b")
            ),
            "groups.b.actuators[0].name: 'n' is the name of groups.a.actuators[0] already",
        ),
    ],
)
def test_times_and_names_that_cannot_work_are_refused(tmp_path: Path, table: str, told: str) -> None:
    path = tmp_path / "agent.toml"
    head = '[agent]\ncluster = "shop"\nname = "edge-1"\n'
    rest = table.removeprefix("[agent]\n") if table.startswith("[agent]") else table
    path.write_text(f'{head}{rest if rest != table else ""}\n[store]\nkind = "sqlite"\npath = "/l.db"\n')
    if rest == table:
        path.write_text(path.read_text() + table)
    with pytest.raises(InputError) as caught:
        load(path)
    assert told in str(caught.value)
