"""Whom a strike hits is chosen from who is what at that moment."""

import pytest
from paper import plan, shop

from bascule.drill.scenarios import whom
from bascule.drill.scenarios.rules import roles_on_paper
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Share
from bascule.system.scenario import Whom

PLAN = plan()
ROLES = roles_on_paper(shop(), PLAN)


def hit(on: Whom, turn: int = 0) -> list[str]:
    return [member.name for member in whom.choose(on, turn, PLAN, ROLES).members]


@pytest.mark.parametrize(
    ("on", "names"),
    [
        (Whom(who="primary"), ["store-north-a-1"]),
        (Whom(who="standbys"), ["store-north-b-1", "store-south-a-1"]),
        (Whom(who="replicas"), ["store-north-a-1", "store-north-b-1", "store-south-a-1"]),
        (Whom(who="entry"), ["edge-north-a-1"]),
        (Whom(who="entries"), ["edge-north-a-1", "edge-south-a-1"]),
        (Whom(who="dependencies"), ["cache-north-a-1"]),
        (Whom(component="quorum", region="north"), ["quorum-north-a-1", "quorum-north-b-1"]),
        (Whom(zone="south-a", component="edge"), ["edge-south-a-1"]),
        (Whom(member="quorum-south-a-1"), ["quorum-south-a-1"]),
        (Whom(component="quorum", count=2), ["quorum-north-a-1", "quorum-north-b-1"]),
        (Whom(component="quorum", share=Share(0.01)), ["quorum-north-a-1"]),
        (Whom(component="quorum", share=Share(0.0)), ["quorum-north-a-1"]),
        (Whom(component="quorum", share=Share(0.34)), ["quorum-north-a-1", "quorum-north-b-1"]),
        (Whom(component="quorum", share=Share(2 / 3)), ["quorum-north-a-1", "quorum-north-b-1"]),
    ],
)
def test_who_is_meant(on: Whom, names: list[str]) -> None:
    assert hit(on) == names


def test_what_rolls_comes_to_each_and_begins_again() -> None:
    on = Whom(who="entries", rolling=True)
    assert [hit(on, turn) for turn in range(3)] == [["edge-north-a-1"], ["edge-south-a-1"], ["edge-north-a-1"]]


def test_a_whole_zone_is_everybody_there_and_the_drills_own_clients_too() -> None:
    found = whom.choose(Whom(who="primary", whole="zone"), 0, PLAN, ROLES)
    assert {member.component for member in found.members} == {"quorum", "store", "cache", "edge"}
    assert "probe-north-a" in found.hosts
    assert all("north-a" in host for host in found.hosts)


def test_nobody_is_primary_while_nobody_says_so() -> None:
    nobody = whom.Roles(component="store", primary="", entry="", through="edge")
    with pytest.raises(InputError, match="nobody is the primary now"):
        whom.choose(Whom(who="primary"), 0, PLAN, nobody)


def test_nobody_is_a_standby_while_nobody_is_known_to_be_in_charge() -> None:
    """One of them is about to be: a strike would hit whom it must not."""
    nobody = whom.Roles(component="store", primary="", entry="", through="edge")
    with pytest.raises(InputError, match="nobody is standbys now"):
        whom.choose(Whom(who="standbys"), 0, PLAN, nobody)


def test_hosts_are_named_by_component_zone_region_role_or_name() -> None:
    named = whom.hosts_named(("cache", "primary", "clients"), PLAN, ROLES)
    assert named == ("cache-north-a-1", "store-north-a-1", "client")
    assert set(whom.hosts_named(("south",), PLAN, ROLES)) == {
        "quorum-south-a-1", "store-south-a-1", "edge-south-a-1", "probe-south-a",
    }  # fmt: skip
    with pytest.raises(InputError, match="'nowhere' names no host"):
        whom.hosts_named(("nowhere",), PLAN, ROLES)


def test_whom_it_means_is_told_in_words() -> None:
    assert whom.described(Whom(who="primary", whole="zone")) == "the whole zone of the primary"
    assert whom.described(Whom(component="quorum", share=Share(0.5))) == "50% of the members of quorum"
    assert whom.described(Whom(who="replicas", rolling=True)) == "replicas, one after the other"
