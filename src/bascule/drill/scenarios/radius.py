"""The blast radius: whether a strike may be made, seeing what is hit and what is healthy already. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

from bascule.engines.protocols import Member
from bascule.system.scenario import Blast


def refusal(
    blast: Blast, hit: Collection[str], struck: Collection[str], members: Sequence[Member], up: set[str]
) -> str:
    """Why a strike would go beyond the blast radius; empty when it would not.

    Args:
        blast: How much may be hit at once.
        hit: The members that this strike hits.
        struck: Those that are hit already.
        members: All there are.
        up: Those that answer now.
    """
    there = Counter(member.component for member in members)
    both = {*hit, *struck}
    for component in dict.fromkeys(member.component for member in members if member.name in hit):
        of_it = [member.name for member in members if member.component == component]
        now = sum(name in both for name in of_it)
        most = math.ceil(there[component] * blast.share.fraction - 1e-9)
        if now > most:
            return f"{now} of {there[component]} members of {component} would be hit at once, and {most} may"
        if not blast.last and not any(name in up and name not in both for name in of_it):
            return f"no healthy member of {component} would be left; `blast: {{last: true}}` allows that"
    return ""
