"""The blast radius counts what is hit already, and keeps the last healthy member."""

from paper import plan

from bascule.drill.scenarios.radius import refusal
from bascule.kernel.quantities import Share
from bascule.system.scenario import Blast

MEMBERS = plan().members
UP = {member.name for member in MEMBERS}
QUORUM = ["quorum-north-a-1", "quorum-north-b-1", "quorum-south-a-1"]


def test_one_of_three_may_be_hit() -> None:
    assert refusal(Blast(), QUORUM[:1], (), MEMBERS, UP) == ""


def test_the_last_healthy_one_may_not_unless_said() -> None:
    assert "no healthy member of quorum would be left" in refusal(Blast(), QUORUM, (), MEMBERS, UP)
    assert refusal(Blast(last=True), QUORUM, (), MEMBERS, UP) == ""


def test_what_is_hit_already_counts() -> None:
    assert "no healthy member" in refusal(Blast(), QUORUM[2:], QUORUM[:2], MEMBERS, UP)
    half = Blast(share=Share(0.5))
    assert refusal(half, QUORUM[:1], QUORUM[1:2], MEMBERS, UP) == ""
    assert "3 of 3 members of quorum would be hit at once, and 2 may" in refusal(
        half, QUORUM[:1], QUORUM[1:], MEMBERS, UP
    )


def test_two_thirds_of_three_are_two() -> None:
    thirds = Blast(share=Share(2 / 3), last=True)
    assert refusal(thirds, QUORUM[:2], (), MEMBERS, UP) == ""
    assert "3 of 3 members of quorum would be hit at once, and 2 may" in refusal(thirds, QUORUM, (), MEMBERS, UP)


def test_one_that_is_down_by_itself_is_not_healthy() -> None:
    assert "no healthy member" in refusal(Blast(), QUORUM[:1], (), MEMBERS, UP - set(QUORUM[1:]))


def test_hitting_the_same_one_twice_counts_once() -> None:
    assert refusal(Blast(share=Share(0.01)), QUORUM[:1], QUORUM[:1], MEMBERS, UP) == ""


def test_other_components_do_not_matter() -> None:
    assert refusal(Blast(), QUORUM[:1], ["cache-north-a-1"], MEMBERS, UP) == ""
