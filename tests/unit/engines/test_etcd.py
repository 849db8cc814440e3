from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bascule.engines import registry
from bascule.engines.etcd import render
from bascule.engines.etcd.options import Options
from bascule.engines.protocols import Site
from bascule.kernel.quantities import Duration
from bascule.system.model import System

GOLDEN = Path(__file__).parents[2] / "golden" / "engines"
SiteOf = Callable[[System, str], Site]


def test_timing_follows_the_slowest_link_between_its_own_regions(system: System) -> None:
    trip_ms = render.round_trip_ms(system, "consensus")
    assert trip_ms == 40, "20 ms one way, and no link to anyone outside counts"
    assert render.timing_ms(Options(), trip_ms) == (50, 500)
    assert render.timing_ms(Options(), 120) == (120, 1200)


def test_a_member_knows_all_members_and_listens_on_its_own_address(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "consensus")
    argv = registry.engine("etcd").render(site).launch.argv
    others = [member.address for member in site.of("consensus")[1:]]
    listening = [word for word in argv if word.startswith("--listen")]
    assert all(site.member.address in word for word in listening)
    assert not any(address in word for address in others for word in listening)
    cluster = next(word for word in argv if word.startswith("--initial-cluster="))
    assert cluster.count("=http://") == 3
    assert not any("unsafe" in word for word in argv), "acknowledged writes are synced"


def test_members_start_a_little_apart(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "consensus")
    starts = [
        registry.engine("etcd").render(msgspec.structs.replace(site, member=member)).launch.after_s
        for member in site.members
        if member.component == "consensus"
    ]
    assert starts == [0.0, 0.1, 0.2]


@pytest.mark.parametrize(
    ("options", "path", "hint"),
    [
        ({"election_timeout": "300ms"}, "election_timeout", "write 400ms or more"),
        ({"heartbeat": "100ms", "election_timeout": "450ms"}, "election_timeout", "write 500ms or more"),
        ({"election_timeout": "2m"}, "election_timeout", "write 50s or less"),
    ],
)
def test_timing_that_would_hold_elections_for_nothing_is_found(
    with_options: Callable[..., System], options: dict[str, object], path: str, hint: str
) -> None:
    (found,) = registry.check_system(with_options("consensus", **options))
    assert (found.path, found.hint) == (f"components.consensus.options.{path}", hint)


def test_an_even_number_of_members_is_found(system: System) -> None:
    system.components["consensus"].replicas["b"] = 1
    (found,) = registry.check_system(system)
    assert found.path == "components.consensus.replicas"


def test_chosen_timing_is_used() -> None:
    options = Options(heartbeat=Duration(0.2), election_timeout=Duration(3))
    assert render.timing_ms(options, 40) == (200, 3000)


def test_a_real_election_is_understood() -> None:
    events = [registry.engine("etcd").event(line) for line in golden("etcd-leader-killed.log")]
    assert [(each.kind, each.text) for each in events if each] == [
        ("rejoined", "has a leader (term 2)"),
        ("ready", "serves clients"),
        ("noticed", "lost its leader (term 2)"),
        ("promoted", "leads the quorum (term 3)"),
        ("rejoined", "has a leader (term 3)"),
        ("demoted", "stepped down: no quorum behind it"),
        ("noticed", "lost its leader (term 3)"),
    ]


def golden(name: str) -> list[str]:
    return (GOLDEN / name).read_text().splitlines()
