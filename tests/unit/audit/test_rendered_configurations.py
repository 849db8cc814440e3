"""What Bascule renders itself is held to the rules that it holds others to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bascule.audit import haproxy, keepalived, patroni, reading
from bascule.audit.finding import SEVERITIES
from bascule.engines import registry
from bascule.engines.keepalived import render
from bascule.engines.keepalived.options import Options
from bascule.engines.protocols import HealthCheck, Program, Site
from bascule.system import load_located

TASKMANAGERPRO = Path(__file__).resolve().parents[3] / "examples" / "taskmanagerpro" / "bascule.yaml"
SYSTEM, POSITIONS = load_located(TASKMANAGERPRO)
EVERYTHING = (haproxy, keepalived, patroni)
KNOWN = {
    # The engine's `failsafe` is off unless a system asks for it, and this one does not.
    "database": {"BSC-PAT-013"},
}


def site(name: str) -> Site:
    """The component's first member, as it would be on a real host: addresses that are not this host's own."""
    found = registry.rehearsal(SYSTEM, name)
    members = tuple(
        msgspec.structs.replace(each, address=each.address.replace("127.", "10.", 1)) for each in found.members
    )
    mine = next(each for each in members if each.name == found.member.name)
    engine = registry.engine(SYSTEM.components[name].engine)
    programs = {one: Program(name=one, path=f"/opt/{one}", version="17.2", source="PATH") for one in engine.programs()}
    secrets = dict.fromkeys(engine.secrets(name), "secret")
    return msgspec.structs.replace(
        found, members=members, member=mine, directory=Path("/srv"), programs=programs, secrets=secrets
    )


@pytest.mark.parametrize("name", ["database", "pgproxy", "edge"])
def test_what_bascule_renders_has_no_weakness_that_is_not_known(name: str, tmp_path: Path) -> None:
    for file in registry.engine(SYSTEM.components[name].engine).render(site(name)).files:
        (tmp_path / file.path).write_text(file.text, encoding="utf-8")
    read = reading.read([str(tmp_path)], [one.READER for one in EVERYTHING])
    read.estate.system, read.estate.positions = SYSTEM, POSITIONS
    assert not read.estate.unreadable
    assert len(read.estate.claims) == 1, "the reader of its technology takes the configuration"
    above_low = {
        (rule.id, found.what)
        for one in EVERYTHING
        for rule in one.RULES
        for found in rule.check(read.estate)
        if SEVERITIES.index(found.severity or rule.severity) < SEVERITIES.index("low")
    }
    assert {what for what in above_low if what[0] not in KNOWN.get(name, set())} == set()


def test_the_hosts_of_a_moving_address_agree(tmp_path: Path) -> None:
    edge = site("edge")
    members = edge.of("edge")
    programs = {
        one: Program(name=one, path=f"/usr/bin/{one}", version="2.2", source="PATH") for one in ("keepalived", "python")
    }
    for member in members:
        own = msgspec.structs.replace(edge, member=member, vip="10.99.0.1", programs=programs)
        companion, _ = render.companions(own, Options(), HealthCheck(port=8404, path="/health"))
        text = next(file.text for file in companion.files if file.path == render.CONFIGURATION)
        (tmp_path / f"{member.name}.conf").write_text(text, encoding="utf-8")
    read = reading.read([str(tmp_path)], [keepalived.READER])
    read.estate.system, read.estate.positions = SYSTEM, POSITIONS
    assert len(read.estate.claims) == len(members) == 2
    assert [(rule.id, found.what) for rule in keepalived.RULES for found in rule.check(read.estate)] == []
