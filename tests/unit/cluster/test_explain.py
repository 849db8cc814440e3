from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bascule.cluster.decisions.group import Group
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
    many_groups = tuple(Group(name=f"g{number}") for number in range(200))
    one = explain(Layout(timing=FAST, groups=(Group(name="g"),))).cost
    many = explain(Layout(timing=FAST, groups=many_groups)).cost
    assert one.agent_per_s == many.agent_per_s == pytest.approx(8.0)
    assert many.group_per_s == pytest.approx(0.04)


def test_it_reads_as_sentences() -> None:
    text = render(layout("paris", "paris", "lyon", agents=("paris", "lyon")))
    assert "store: 3 voters, 2 are a majority, 1 may be lost" in text
    assert "  without paris: 1 voter left, NO majority; a1 left" in text
    assert "note: " in text
    assert "one server or file" in render(explain(Layout()))


def voters(*sites: str) -> tuple[Voter, ...]:
    return tuple(Voter(name=f"v{number}", site=site) for number, site in enumerate(sites))


def test_members_that_do_not_vote_count_for_nothing() -> None:
    reader = Voter(name="reader", site="rome", votes=False)
    found = explain(Layout(voters=(*voters("paris", "lyon", "bern"), reader), timing=FAST, election_s=0.2))
    assert (found.voters, found.majority, found.may_lose) == (3, 2, 1)
    assert not any("rome" in loss.sites for loss in found.losses)
    assert explain(Layout(voters=(reader,), timing=FAST)).warnings[0].startswith("no member of the store votes")


@pytest.mark.parametrize(
    ("sites", "each", "added"), [(("a", "b"), 1, 1), (("a", "a", "b"), 2, 2), (("a", "a", "b", "b"), 2, 1)]
)
def test_with_a_witness_any_of_three_sites_may_be_lost(sites: tuple[str, ...], each: int, added: int) -> None:
    witness = layout(*sites).witness
    assert witness is not None
    assert (witness.voters, witness.added) == (each, added)
    assert len(witness.losses) == 3
    assert all(loss.quorum for loss in witness.losses)
    assert layout("a", "b", "c").witness is layout("a").witness is None


def test_a_table_of_truth_agrees_with_counting() -> None:
    for sites in (("a",), ("a", "b"), ("a", "a", "b"), ("a", "b", "c"), ("a", "a", "b", "b", "c"), tuple("abcdefg")):
        for loss in layout(*sites).losses:
            left = [site for site in sites if site not in loss.sites]
            assert loss.quorum == (len(left) > len(sites) - len(left)), (sites, loss.sites)


def test_agents_in_a_minority_of_the_store_are_told() -> None:
    found = layout("a", "b", "b", agents=("a", "a"))
    assert any("a minority of the store" in warning for warning in found.warnings)
    found = layout("a", "b", "b", agents=("b", "b"))
    assert not any("a minority of the store" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"timing": Timing(ttl_s=1.0, stop_s=0.3)}, "stopping takes"),
        ({"round_trip_s": 0.03}, "is short for a store"),
        ({"groups": (Group(name="g", hold_down_s=0.2),)}, "a hold-down of 0.2 s"),
        ({"groups": (Group(name="g", preempt_after_s=1.0),)}, "preemption after 1 s"),
    ],
)
def test_times_that_are_unwise_are_told(change: dict[str, object], told: str) -> None:
    well = Layout(voters=voters("a", "b", "c"), timing=FAST, election_s=0.2)
    assert explain(well).warnings == ()
    assert [
        one for one in explain(msgspec.structs.replace(well, **change)).warnings if one.startswith(told) or told in one
    ]


def test_patient_preemption_is_not_told() -> None:
    groups = (Group(name="g", preempt_after_s=30.0),)
    found = explain(Layout(voters=voters("a", "b", "c"), timing=FAST, election_s=0.2, groups=groups))
    assert found.warnings == ()


def test_what_was_chosen_is_put_into_words() -> None:
    found = explain(Layout(timing=FAST, groups=(Group(name="g", fencing="both"),), hold=True))
    assert [one.partition(":")[0] for one in found.consequences] == ['fencing = "both"', 'without_store = "hold"']
    assert '"step_down"' in explain(Layout(timing=FAST)).consequences[1]


def test_who_is_cut_off_has_stopped_before_anybody_follows() -> None:
    for ttl_s in (0.5, 3.0, 60.0):
        times = explain(Layout(timing=Timing(ttl_s=ttl_s, stop_s=ttl_s / 10))).times
        assert times.cut_off_least_s < times.cut_off_most_s < times.takeover_most_s
        assert times.nobody_most_s > 0


def test_groups_that_differ_are_named() -> None:
    groups = (Group(name="a", fencing="fence"), Group(name="b", preempt_after_s=1.0, hold_down_s=0.1))
    found = explain(Layout(timing=FAST, groups=groups))
    assert [one.partition(":")[0] for one in found.consequences[:2]] == [
        'fencing = "fence" of a',
        'fencing = "lease" of b',
    ]
    assert [one.partition(" s ")[0] for one in found.warnings] == ["a hold-down of b of 0.1", "preemption of b after 1"]
    many = tuple(Group(name=f"g{number}", fencing="lease" if number else "both") for number in range(9))
    assert 'fencing = "lease" of g1, g2, g3 and 5 more:' in render(explain(Layout(groups=many)))


def test_a_store_without_sites_is_told_by_its_servers() -> None:
    assert "store: 3 endpoints; " in render(explain(Layout(servers=3, elects=True)))
    assert "--voter" in render(explain(Layout(servers=3, elects=True)))
    assert "store: 2 servers, of which one is the primary" in render(explain(Layout(servers=2)))


def test_agents_are_left_out_where_none_has_a_site() -> None:
    assert "agent left" not in render(layout("paris", "lyon", "bern"))
    assert "without bern: 2 voters left, decides\n" in render(layout("paris", "lyon", "bern"))


def test_one_is_counted_as_one() -> None:
    assert "store: 1 voter, 1 is a majority, 0 may be lost" in render(layout("paris"))
    assert any("2 voters survive no more losses than 1 does" in one for one in layout("a", "b").warnings)


def test_what_was_assumed_is_said() -> None:
    assert explain(Layout(assumed=True)).warnings[0].startswith("no agent's file was read")


GOLDEN = Path(__file__).parent / "explained"
LAYOUTS = {
    "three-sites": Layout(
        voters=voters("paris", "lyon", "bern"),
        agents={"edge-1": "paris", "edge-2": "lyon"},
        timing=FAST,
        election_s=0.2,
    ),
    "two-sites": Layout(
        voters=voters("paris", "paris", "lyon"),
        agents={"edge-1": "paris", "edge-2": "lyon"},
        election_s=0.2,
        groups=tuple(Group(name=f"g{number}") for number in range(200)),
    ),
    "everything-unwise": Layout(
        voters=(*voters("paris", "lyon"), Voter(name="reader", site="lyon", votes=False)),
        agents={"edge-1": "paris", "edge-2": "paris"},
        timing=Timing(ttl_s=0.5, stop_s=0.2),
        round_trip_s=0.05,
        election_s=1.0,
        groups=(Group(name="edge", fencing="fence", preempt_after_s=1.0, hold_down_s=0.1),),
    ),
    "one-server": Layout(agents={"edge-1": "paris"}, hold=True, groups=(Group(name="edge", fencing="both"),)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_reads_as_it_did(name: str) -> None:
    """To renew: write what `render` says into the file, and read it."""
    assert render(explain(LAYOUTS[name])) + "\n" == (GOLDEN / f"{name}.txt").read_text()
