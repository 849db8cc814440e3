from __future__ import annotations

import pytest

from bascule.cluster.decisions.lease import Timing
from bascule.cluster.explain import Explanation, Layout, Voter, explain, majority, render

FAST = Timing(ttl_s=0.5, stop_s=0.05)


def layout(*sites: str, agents: tuple[str, ...] = (), hold: bool = False, election_s: float = 0.2) -> Explanation:
    voters = tuple(Voter(name=f"v{number}", site=site) for number, site in enumerate(sites))
    return explain(
        Layout(
            voters=voters,
            agents={f"a{number}": site for number, site in enumerate(agents)},
            timing=FAST,
            hold=hold,
            election_s=election_s,
        )
    )


@pytest.mark.parametrize(("voters", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_a_majority_is_more_than_half(voters: int, needed: int) -> None:
    assert majority(voters) == needed


def test_three_sites_survive_the_loss_of_any() -> None:
    found = layout("paris", "lyon", "bern", agents=("paris", "lyon"))
    assert (found.majority, found.may_lose) == (2, 1)
    assert all(loss.quorum for loss in found.losses if len(loss.sites) == 1)
    assert not any(loss.quorum for loss in found.losses if len(loss.sites) == 2)
    assert found.warnings == ()


def test_two_sites_cannot_both_be_lost_and_a_witness_is_named() -> None:
    found = layout("paris", "paris", "lyon", agents=("paris", "lyon"))
    by_site = {loss.sites: loss.quorum for loss in found.losses}
    assert by_site[("lyon",)]
    assert not by_site[("paris",)]
    assert any("witness" in warning for warning in found.warnings)
    assert any(warning.startswith("without paris") for warning in found.warnings)


def test_even_numbers_and_single_members_are_told() -> None:
    assert any("4 voters survive no more losses than 3" in one for one in layout("a", "b", "c", "d").warnings)
    assert any("one member" in one for one in layout("a").warnings)


def test_all_agents_in_one_site_are_told() -> None:
    found = layout("a", "b", "c", agents=("a", "a"))
    assert any("all agents stand in a" in warning for warning in found.warnings)


def test_a_slow_election_is_told_unless_agents_hold() -> None:
    assert any("election" in warning for warning in layout("a", "b", "c", election_s=1.0).warnings)
    assert not any("election" in warning for warning in layout("a", "b", "c", election_s=1.0, hold=True).warnings)


def test_the_holder_has_stopped_before_a_rival_may_act() -> None:
    times = layout("a", "b", "c").times
    assert times.stop_s < times.valid_s < times.rival_s
    assert times.takeover_least_s < times.rival_s < times.takeover_most_s
    assert times.with_leader_s >= times.takeover_most_s


def test_the_cost_is_of_agents_and_not_of_groups() -> None:
    one = explain(Layout(timing=FAST, groups=1)).cost
    many = explain(Layout(timing=FAST, groups=200)).cost
    assert one.agent_per_s == many.agent_per_s == pytest.approx(8.0)
    assert many.group_per_s == pytest.approx(0.04)


def test_it_reads_as_sentences() -> None:
    text = render(layout("paris", "paris", "lyon", agents=("paris", "lyon")))
    assert "store: 3 voters, 2 are a majority, 1 may be lost" in text
    assert "  without paris: 1 voters left, NO majority; a1 left" in text
    assert "note: " in text
    assert "one server or file" in render(explain(Layout()))
