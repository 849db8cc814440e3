"""Each grade hits as much as it says, whatever the timeline says of how many."""

import pytest
from paper import scenario

from bascule.drill.scenarios.grades import graded
from bascule.system.scenario import Whom

TEXT = """
timeline:
  - {fault: process-kill, on: {component: quorum, count: 2, whole: region}}
  - {at: 1s, one_of: [{fault: process-kill, on: {component: store, count: 2, whole: zone}}]}
grades: [1%, 50%, zone, region]
"""


def hit(grade: str) -> tuple[Whom, Whom]:
    found = dict(graded(scenario(TEXT)))[grade].timeline
    return found[0].on, found[1].one_of[0].on


@pytest.mark.parametrize(("grade", "fraction"), [("1%", 0.01), ("50%", 0.5)])
def test_a_share_is_of_members_and_never_a_whole_place(grade: str, fraction: float) -> None:
    for on in hit(grade):
        assert (on.share.fraction, on.count, on.whole) == (fraction, 0, "member")


@pytest.mark.parametrize("grade", ["zone", "region"])
def test_a_place_is_whole(grade: str) -> None:
    assert [on.whole for on in hit(grade)] == [grade, grade]


def test_grades_come_in_the_order_of_the_file_and_keep_the_rest_of_the_experiment() -> None:
    own = scenario(TEXT)
    assert [grade for grade, _ in graded(own)] == ["1%", "50%", "zone", "region"]
    assert all((one.blast, one.stop, one.expect) == (own.blast, own.stop, own.expect) for _, one in graded(own))


def test_without_grades_it_is_itself() -> None:
    own = scenario("timeline: [{fault: process-kill}]")
    assert graded(own) == (("", own),)
