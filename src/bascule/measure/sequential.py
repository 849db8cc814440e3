"""When trials that come one by one have shown a claim, refuted it, or can no longer show it. Pure.

Shown: the exact binomial test with its number of trials and of allowed misses fixed beforehand, ended as soon as its
answer is certain (curtailed). Refuted: a mixture of likelihood ratios that is a supermartingale wherever the claim
holds, so that it reaches 1/alpha with probability alpha at most, however often one looks. Each errs in one in twenty
drills at most. A trial that tells nothing is no success in the first and no failure in the second, so neither errs more
often whatever it hides.

Sources: Ville, "Etude critique de la notion de collectif" (1939); Robbins, Annals of Mathematical Statistics 41 (1970);
Ramdas and others, Statistical Science 38 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.measure.claims import Said
from bascule.measure.statistics import incomplete_beta

Ending = Literal["shown", "refuted", "not shown"]
ALPHA = 0.05
MOST_TRIALS = 1000


class Design(Struct, frozen=True, kw_only=True):
    """What was fixed before the first trial.

    Attributes:
        share: Of the trials that the claim says are within its bound.
        needed: Trials of the test that shows the claim.
        allowed: How many of these may fail to be within the bound.
        limit: No more trials than this are run.
        alpha: How probable a wrong `shown`, and a wrong `refuted`, may be.
    """

    share: float
    needed: int
    allowed: int
    limit: int
    alpha: float = ALPHA


def design(share: float, limit: int | None = None, alpha: float = ALPHA) -> Design:
    """The test that allows as many misses as the limit affords; without a limit, the shortest one, which allows none.

    Args:
        share: 0.5 or more, below 1.
        limit: At most so many trials.
        alpha: The probability of each error.

    Raises:
        InputError: The limit, or any number of trials that a drill may have, is too small to show the claim.
    """
    needed, allowed = _least(share, 0, alpha), 0
    if needed > MOST_TRIALS:
        raise InputError(
            f"to show p{share * 100:g} takes more than {MOST_TRIALS} trials",
            hint="claim p99, which takes 299 trials, or less",
        )
    if limit is None:
        straight = next(n for n in range(1, MOST_TRIALS + 1) if evidence_against(n, n, share) >= 1 / alpha)
        return Design(share=share, needed=needed, allowed=0, limit=max(needed, straight), alpha=alpha)
    if not needed <= limit <= MOST_TRIALS:
        raise InputError(
            f"{limit} trials cannot show p{share * 100:g}: that takes {needed} trials, all within the bound",
            hint=f"choose {needed} to {MOST_TRIALS} trials, or claim less",
        )
    while (longer := _least(share, allowed + 1, alpha, needed)) <= limit:
        needed, allowed = longer, allowed + 1
    return Design(share=share, needed=needed, allowed=allowed, limit=limit, alpha=alpha)


def _least(share: float, allowed: int, alpha: float, start: int = 1) -> int:
    """The least number of trials whose test allows so many misses; one too many for any drill when there is none."""
    for trials in range(max(start, allowed + 1), MOST_TRIALS + 1):
        # P(at most `allowed` of n trials miss, each with probability 1 - share)
        if incomplete_beta(share, trials - allowed, allowed + 1) <= alpha:
            return trials
    return MOST_TRIALS + 1


def evidence_against(over: int, trials: int, share: float) -> float:
    """The e-value against "at most 1 - share of all trials are over": 1 without evidence, and 20 refutes at 5 %.

    The likelihood ratio of p against 1 - share, averaged evenly over every p above 1 - share. Each of these ratios has
    a mean of 1 at most for every p that the claim admits, so their average has too.
    """
    missing, kept = 1 - share, trials - over
    log_e = (
        math.lgamma(over + 1)
        + math.lgamma(kept + 1)
        - math.lgamma(trials + 2)
        - over * math.log(missing)
        - (kept + 1) * math.log(share)
    )
    above = incomplete_beta(share, kept + 1, over + 1)
    return math.exp(min(log_e, 700.0)) * above


def ending(plan: Design, said: Sequence[Said]) -> Ending | None:
    """How the drill ends after these trials; None while it goes on.

    Ask after every trial, and run none after an ending. Once the claim cannot be shown any more, it goes on only while
    every trial is over: then it may still be refuted.
    """
    if evidence_against(said.count("over"), len(said), plan.share) >= 1 / plan.alpha:
        return "refuted"
    tested = said[: plan.needed]
    within = sum(each == "within" for each in tested)
    if within >= plan.needed - plan.allowed:
        return "shown"
    lost = len(tested) - within > plan.allowed
    if len(said) >= plan.limit or (lost and said[-1] != "over"):
        return "not shown"
    return None
