"""A drill that goes on until a claim is shown or refuted: what it takes, how it stands, what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bascule.drill.experiments import Experiment
from bascule.drill.report import Claimed, Trial
from bascule.kernel.errors import InputError
from bascule.measure import claims, sequential
from bascule.measure.claims import Claim
from bascule.measure.sequential import Design, Ending
from bascule.measure.verdict import EXIT_CODES, Outcome

_OUTCOMES: dict[Ending, Outcome] = {"shown": "PASS", "refuted": "FAIL", "not shown": "INVALID"}


class Until(Struct, frozen=True, kw_only=True):
    """The claim that ends a drill, and the test that was fixed before its first trial."""

    claim: Claim
    design: Design

    def is_settled(self, trials: Iterable[Trial]) -> bool:
        """True when no further trial is worth its time."""
        return sequential.ending(self.design, self._said(trials)) is not None

    def standing(self, trials: Iterable[Trial]) -> str:
        """How it stands, while the next trial runs: `trial 3 of at most 59, so far 1 over`."""
        said = self._said(trials)
        unclear = said.count("undetermined")
        told = f"trial {len(said) + 1} of at most {self.design.limit}, so far {said.count('over')} over"
        return f"{told}, {unclear} undetermined" if unclear else told

    def takes(self) -> str:
        """What showing the claim takes, for a dry run."""
        allowed = self.design.allowed
        misses = "all of them within it" if not allowed else f"at most {allowed} of them not within it"
        return (
            f"Until {self.claim.text} is shown or refuted ({100 * (1 - self.design.alpha):g} % sure): to show it takes "
            f"{self.design.needed} trials, {misses}; at most {self.design.limit} trials are run, and fewer as soon as "
            "the claim is shown, refuted, or out of reach."
        )

    def claimed(self, trials: Iterable[Trial]) -> Claimed:
        """What came of the claim. A drill that was stopped has not shown it."""
        said = self._said(trials)
        ended = sequential.ending(self.design, said) or "not shown"
        return Claimed(
            claim=self.claim.text,
            ending=ended,
            trials=len(said),
            within=said.count("within"),
            over=said.count("over"),
            undetermined=said.count("undetermined"),
            needed=self.design.needed,
            allowed=self.design.allowed,
            limit=self.design.limit,
            confidence=1 - self.design.alpha,
            evidence_against=sequential.evidence_against(said.count("over"), len(said), self.design.share),
        )

    def _said(self, trials: Iterable[Trial]) -> list[claims.Said]:
        ran = (trial for trial in trials if trial.experiment != "control" and not trial.skipped)
        return [self.claim.said_by(trial.verdict) for trial in ran]


def until(text: str | None, trials: int | None, experiments: tuple[Experiment, ...]) -> Until | None:
    """The claim that ends the drill; None when there is none.

    Raises:
        InputError: It is no claim, the trials cannot show it, or it would be of several experiments at once.
    """
    if text is None:
        return None
    if len(experiments) != 1:
        raise InputError(
            f"a claim is about one experiment, not {len(experiments)}", hint="choose one with --experiment"
        )
    claim = claims.parse(text)
    return Until(claim=claim, design=sequential.design(claim.share, trials))


def exit_code(outcome: Outcome, claimed: Claimed | None) -> int:
    """The exit code of a drill: of the worse of its trials' outcome and its claim's."""
    codes = [EXIT_CODES[outcome]]
    if claimed is not None:
        codes.append(EXIT_CODES[_OUTCOMES[claimed.ending]])
    return max(codes)


def claim_text(claimed: Claimed) -> str:
    """What came of the claim, in words."""
    counts = f"{claimed.within} within, {claimed.over} over"
    if claimed.undetermined:
        counts += f", {claimed.undetermined} undetermined"
    sure = f"{claimed.confidence * 100:g} % sure"
    why = {
        "shown": f"{sure}, by a test of {claimed.needed} trials that allows {claimed.allowed} not within",
        "refuted": f"{sure}, evidence {claimed.evidence_against:.3g} to 1 against it",
        "not shown": f"nor refuted; to show it takes {claimed.needed} trials with at most {claimed.allowed} not within",
    }[claimed.ending]
    trials = "1 trial" if claimed.trials == 1 else f"{claimed.trials} trials"
    return f"{claimed.claim}: {claimed.ending} after {trials} ({counts}); {why}."
