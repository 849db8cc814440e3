"""How many trials a claim takes, and when a drill for it ends. How often it errs: tests/property."""

import pytest

from bascule.kernel.errors import InputError
from bascule.measure.claims import Said
from bascule.measure.sequential import design, ending

WITHIN: list[Said] = ["within"]
OVER: list[Said] = ["over"]
UNDETERMINED: list[Said] = ["undetermined"]


@pytest.mark.parametrize(("share", "trials"), [(0.5, 5), (0.75, 11), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_without_a_limit_the_shortest_test_is_taken(share: float, trials: int) -> None:
    plan = design(share)
    assert (plan.needed, plan.allowed) == (trials, 0)


@pytest.mark.parametrize(("limit", "needed", "allowed"), [(59, 59, 0), (92, 59, 0), (93, 93, 1), (124, 124, 2)])
def test_a_limit_affords_misses(limit: int, needed: int, allowed: int) -> None:
    plan = design(0.95, limit)
    assert (plan.needed, plan.allowed, plan.limit) == (needed, allowed, limit)


def test_a_limit_that_cannot_show_the_claim_is_refused_with_what_it_takes() -> None:
    with pytest.raises(InputError, match="that takes 59 trials"):
        design(0.95, 58)
    with pytest.raises(InputError, match="more than 1000 trials"):
        design(0.999)
    with pytest.raises(InputError, match="1001 trials"):
        design(0.95, 1001)


def test_a_claim_is_shown_by_its_last_trial_and_not_before() -> None:
    plan = design(0.95)
    assert ending(plan, WITHIN * 58) is None
    assert ending(plan, WITHIN * 59) == "shown"


def test_a_test_ends_as_soon_as_its_misses_cannot_matter_any_more() -> None:
    plan = design(0.95, 93)
    assert ending(plan, WITHIN * 92) == "shown"
    assert ending(plan, WITHIN * 40 + OVER + WITHIN * 51) is None
    assert ending(plan, WITHIN * 40 + OVER + WITHIN * 52) == "shown"
    assert ending(plan, WITHIN * 40 + UNDETERMINED + WITHIN * 52) == "shown"


def test_trials_over_the_bound_refute() -> None:
    assert ending(design(0.95), OVER) is None
    assert ending(design(0.95), ["over", "over"]) == "refuted"
    assert ending(design(0.5), OVER * 6) is None
    assert ending(design(0.5), OVER * 7) == "refuted"


def test_a_claim_out_of_reach_is_not_shown_once_a_trial_is_not_over() -> None:
    plan = design(0.95)
    lost = WITHIN * 20 + OVER
    assert ending(plan, lost) is None
    assert ending(plan, [*lost, "within"]) == "not shown"
    assert ending(plan, [*lost, "undetermined"]) == "not shown"
    assert ending(plan, UNDETERMINED) == "not shown"


def test_a_miss_in_the_last_trial_ends_the_drill() -> None:
    assert ending(design(0.95), WITHIN * 58 + OVER) == "not shown"
