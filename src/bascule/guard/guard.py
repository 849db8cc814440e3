"""Several policies as one guard."""

from __future__ import annotations

from typing import Any

from bascule.guard import order
from bascule.guard.policy import Guarding, Home, Policy, V_co
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World
from bascule.kernel.errors import InputError


class Guard(Guarding[V_co]):
    """Guards calls with several policies, woven into one function for each shape of callable.

    Args:
        policies: Outermost first. An order that cannot work is refused.
        name: How it is called in facts, errors and metrics.
        world: Time, luck and waiting; a test gives its own.
        facts: Where its facts go.

    Raises:
        InputError: There is no policy, or their order cannot work; the message says why.
    """

    def __init__(
        self, *policies: Policy[V_co], name: str = "guard", world: World = REAL, facts: Stream = FACTS
    ) -> None:
        if not policies:
            raise InputError("a guard needs a policy", hint="for example Guard(Retry(3), Timeout(1.0))")
        given: object = name
        if not isinstance(given, str) or not 0 < len(given) <= 100 or not given.isprintable():
            raise InputError(f"Guard.name: {name!r} must be 1 to 100 printable characters")
        for policy in policies:
            if not isinstance(policy, Policy):
                raise InputError(f"{policy!r} is no policy", hint="give Retry(...), Timeout(...) and so on, made")
            if sum(other is policy for other in policies) > 1:
                raise InputError(
                    f"the same {type(policy).__name__} stands in this guard twice", hint="make two of them"
                )
        order.check([policy.order_name() for policy in policies], [policy.longest_s() for policy in policies])
        self.name = name
        self.policies = policies
        self.home = Home(name, world, facts)
        for policy in policies:
            policy.check_home(self.home)
        for policy in policies:
            policy.move_in(self.home)

    def chain(self) -> tuple[Policy[Any], ...]:
        """The policies, outermost first."""
        return self.policies

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows of this guard now: plain numbers and words for each policy, in order."""
        names = [type(policy).__name__ for policy in self.policies]
        labels = [name if names.count(name) == 1 else f"{name} {place}" for place, name in enumerate(names, 1)]
        return {label: policy.snapshot() for label, policy in zip(labels, self.policies, strict=True)}

    def __repr__(self) -> str:
        """The chain, as it is read."""
        return f"<Guard {self.name!r}: {' > '.join(type(policy).__name__ for policy in self.policies)}>"
