"""How often a drill that runs until a claim is settled errs: summed over every course it can take, nothing drawn."""

import math
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.measure.claims import Said
from bascule.measure.sequential import ALPHA, Design, Ending, design, ending, evidence_against

End = Callable[[Design, Sequence[Said]], Ending | None]
Odds = dict[Said, float]
CASES = [
    (0.5, None),
    (0.5, 12),
    (0.75, 30),
    (0.8, None),
    (0.9, None),
    (0.9, 64),
    (0.95, None),
    (0.95, 93),
    (0.99, None),
]


def odds(within: float, over: float) -> Odds:
    return {"within": within, "over": over, "undetermined": max(0.0, 1 - within - over)}


def chances(plan: Design, each: Odds, end: End = ending) -> dict[Ending, float]:
    """The exact probability of each ending. Courses with equal counts and an equal last trial go on alike."""
    found: dict[Ending, float] = dict.fromkeys(("shown", "refuted", "not shown"), 0.0)
    alive: dict[tuple[int, int, Said | None], tuple[tuple[Said, ...], float]] = {(0, 0, None): ((), 1.0)}
    while alive:
        ahead: dict[tuple[int, int, Said | None], tuple[tuple[Said, ...], float]] = {}
        for course, chance in alive.values():
            for said, odd in each.items():
                if odd == 0:
                    continue
                longer = (*course, said)
                ended = end(plan, longer)
                if ended is not None:
                    found[ended] += chance * odd
                    continue
                key = (longer.count("within"), longer.count("over"), said)
                ahead[key] = (longer, ahead.get(key, (longer, 0.0))[1] + chance * odd)
        alive = ahead
    return found


@pytest.mark.parametrize(("share", "limit"), CASES)
@pytest.mark.parametrize("hidden", [0.0, 0.05, 0.3])
def test_a_claim_that_is_just_false_is_shown_rarely_whatever_trials_hide(
    share: float, limit: int | None, hidden: float
) -> None:
    for within, over in ((share * (1 - hidden), 1 - share), (share, (1 - share) * (1 - hidden))):
        found = chances(design(share, limit), odds(within, over))
        assert found["shown"] <= ALPHA
        assert math.isclose(sum(found.values()), 1.0)


@pytest.mark.parametrize(("share", "limit"), CASES)
@pytest.mark.parametrize("hidden", [0.0, 0.05, 0.3])
def test_a_claim_that_is_just_true_is_refuted_rarely_whatever_trials_hide(
    share: float, limit: int | None, hidden: float
) -> None:
    for within, over in ((share * (1 - hidden), 1 - share), (share, (1 - share) * (1 - hidden))):
        assert chances(design(share, limit), odds(within, over))["refuted"] <= ALPHA


def ever(refutes: Callable[[int, int], bool], over_odds: float, horizon: int) -> float:
    """The exact probability that trials which go on whatever they say are ever taken for a refutation."""
    alive, refuted = {0: 1.0}, 0.0
    for trials in range(1, horizon + 1):
        ahead: dict[int, float] = {}
        for over, chance in alive.items():
            for number, part in ((over, chance * (1 - over_odds)), (over + 1, chance * over_odds)):
                if refutes(number, trials):
                    refuted += part
                else:
                    ahead[number] = ahead.get(number, 0.0) + part
        alive = ahead
    return refuted


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("truth", [1.0, 0.7])
def test_looking_after_every_trial_refutes_no_true_claim_more_often(share: float, truth: float) -> None:
    missing = (1 - share) * truth
    assert ever(lambda over, trials: evidence_against(over, trials, share) >= 1 / ALPHA, missing, 150) <= ALPHA


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("trials", [0, 1, 7, 40])
def test_the_evidence_against_a_true_claim_does_not_grow_on_average(share: float, trials: int) -> None:
    """From every standing, whatever the probability that the claim admits: a supermartingale."""
    for over in range(trials + 1):
        now = evidence_against(over, trials, share)
        for part in (1.0, 0.6, 0.0):
            odd = (1 - share) * part
            then = odd * evidence_against(over + 1, trials + 1, share) + (1 - odd) * evidence_against(
                over, trials + 1, share
            )
            assert then <= now * (1 + 1e-9)


@given(st.lists(st.sampled_from(("within", "over", "undetermined")), max_size=40))
def test_every_drill_ends_at_its_limit_at_the_latest(said: list[Said]) -> None:
    plan = design(0.8, 25)
    if len(said) >= plan.limit:
        assert ending(plan, said[: plan.limit]) is not None


# Broken variants: each must be caught by the sums above.


def test_a_test_with_one_trial_too_few_shows_false_claims_too_often() -> None:
    for share, limit in ((0.95, None), (0.95, 93), (0.5, 12)):
        plan = design(share, limit)
        fewer = msgspec.structs.replace(plan, needed=plan.needed - 1)
        assert chances(fewer, odds(share, 1 - share))["shown"] > ALPHA


def test_a_test_that_allows_one_miss_too_many_shows_false_claims_too_often() -> None:
    plan = design(0.95)
    assert chances(msgspec.structs.replace(plan, allowed=1), odds(0.95, 0.05))["shown"] > ALPHA


def test_taking_an_undetermined_trial_for_a_success_shows_false_claims_too_often() -> None:
    def lenient(plan: Design, said: Sequence[Said]) -> Ending | None:
        return ending(plan, ["within" if each == "undetermined" else each for each in said])

    assert chances(design(0.95), odds(0.9, 0.05), lenient)["shown"] <= ALPHA
    assert chances(design(0.95), odds(0.95, 0.02), lenient)["shown"] > ALPHA


def test_taking_an_undetermined_trial_for_a_failure_refutes_true_claims_too_often() -> None:
    def harsh(plan: Design, said: Sequence[Said]) -> Ending | None:
        return ending(plan, ["over" if each == "undetermined" else each for each in said])

    assert chances(design(0.9), odds(0.6, 0.1), harsh)["refuted"] > ALPHA


def test_a_test_for_one_look_refutes_true_claims_too_often_when_one_looks_after_every_trial() -> None:
    def one_look(over: int, trials: int) -> bool:
        tail = sum(math.comb(trials, k) * 0.2**k * 0.8 ** (trials - k) for k in range(over, trials + 1))
        return tail <= ALPHA

    assert ever(one_look, 0.2, 150) > ALPHA
