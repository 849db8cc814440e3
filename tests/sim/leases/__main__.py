"""Live through the world of a seed, and print what happened.

python -m tests.sim.leases SEED [MUTANT]
python -m tests.sim.leases SEED --facts > facts.jsonl; bascule cluster timeline facts.jsonl
"""

from __future__ import annotations

import contextlib
import json
import sys

from .faults import Faults, live, settings_of
from .mutants import MUTANTS
from .parts import Mutation, ViolationError
from .world import World


def main(words: list[str]) -> int:
    """Print the settings, the trace, and what did not hold."""
    as_facts = "--facts" in words
    words = [word for word in words if word != "--facts"]
    seed = int(words[0])
    by_name = {mutant.__name__: mutant for mutant in MUTANTS}
    broken = by_name[words[1]]() if len(words) > 1 else contextlib.nullcontext(Mutation())
    seen: list[World] = []
    real = Faults.__init__

    def watch(faults: Faults, number: int, world: World) -> None:
        real(faults, number, world)
        seen.append(world)

    Faults.__init__ = watch  # type: ignore[method-assign,assignment]  # to have the world of a life that ends in a violation
    violation = ""
    with broken as mutation:
        try:
            live(seed, mutation)
        except ViolationError as error:
            violation = str(error)
    if as_facts:
        for event in seen[0].trace:
            fact = event.what.partition(" ")[0] if event.values else event.what.strip()
            told = {"at_s": round(event.at_s, 6), "agent": event.who, "fact": fact, **event.values}
            sys.stdout.write(json.dumps(told) + "\n")
        return 1 if violation else 0
    sys.stdout.write(f"{settings_of(seed)}\n")
    for event in seen[0].trace:
        sys.stdout.write(f"{event.at_s:9.4f}  {event.who:9} {event.what}\n")
    sys.stdout.write(f"VIOLATION: {violation}\n" if violation else "everything held\n")
    return 1 if violation else 0


sys.exit(main(sys.argv[1:]))
