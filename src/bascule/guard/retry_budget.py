"""How much of the load may be retries: without a bound they multiply an outage. Pure."""

from __future__ import annotations

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.checks import number


class RetryBudget(Stepped):
    """Over any span of calls, retries are at most `reserve` plus `ratio` of the calls. Several retries may share one.

    Each call puts `ratio` of a token in, each retry takes one out, and at most `reserve` tokens are kept. With the
    defaults a total outage is met with at most 1.2 times the load from the hundredth call on, and with 1.1 times in
    the long run.

    Args:
        ratio: Retries per call in the long run, in (0, 10].
        reserve: Retries that may come in one burst, at least 1.

    Source: the retry throttling of gRPC (gRFC A6) and the retry budget of Finagle.
    """

    __slots__ = ("is_short", "ratio", "reserve", "tokens")

    def __init__(self, ratio: float = 0.1, reserve: float = 10.0) -> None:
        super().__init__()
        self.ratio = ratio
        self.reserve = reserve
        number(self, "ratio", most=10.0, above=True)
        number(self, "reserve", least=1.0, most=1e6)
        self.tokens = float(reserve)
        self.is_short = False

    @atomic
    def deposit(self) -> None:
        """Count a call. Needed only while the budget `is_short`, that is, less than full."""
        tokens = self.tokens + self.ratio
        if tokens >= self.reserve:
            tokens = self.reserve
            self.is_short = False
        self.tokens = tokens

    @atomic
    def withdraw(self) -> bool:
        """Take the token for one retry; False when there is none."""
        tokens = self.tokens
        # Sums of tenths fall short of a whole by a few units in the last place; such a token counts as whole.
        if tokens < 0.999999:
            return False
        self.tokens = tokens - 1.0
        self.is_short = True
        return True

    def reconfigure(self, ratio: float, reserve: float) -> None:
        """Change the bounds; the tokens that are there stay, as far as they fit.

        Raises:
            InputError: A bound is impossible. Nothing is changed then.
        """
        fresh = RetryBudget(ratio, reserve)
        self.ratio, self.reserve = fresh.ratio, fresh.reserve
        self.tokens = min(self.tokens, fresh.reserve)
        self.is_short = True

    def __repr__(self) -> str:
        """As it is written."""
        return f"RetryBudget(ratio={self.ratio!r}, reserve={self.reserve!r})"

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        return {"tokens": round(self.tokens, 3), "reserve": self.reserve}
