"""A target outside the lab, on its way to a fault: found, allowed, confirmed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bascule.chaos.faults import AnyFault
from bascule.chaos.faults.catalogue import named, parameters, parse
from bascule.chaos.injection import Struck
from bascule.chaos.journal import PlatformRef
from bascule.cli.output import terminal
from bascule.drill.by_hand import Held, hold_outside
from bascule.kernel.errors import AbortedError, FaultError, InputError
from bascule.outside import address, allow_file, allowance, reach
from bascule.outside.allowance import Rule
from bascule.outside.platform import OutsidePlatform
from bascule.outside.seen import Seen

MOST_SHOWN = 20


class Chosen:
    """A target that was met, and that a rule allows to be broken by this fault. Nothing was done to it yet."""

    def __init__(
        self, fault: AnyFault, name: str, platform: OutsidePlatform, reference: PlatformRef, rule: Rule
    ) -> None:
        self.fault = fault
        self.rule = rule
        self._name = name
        self._platform = platform
        self._reference = reference

    @property
    def seen(self) -> Seen:
        """What it is."""
        return self._platform.seen[self._name]

    def described(self) -> tuple[str, ...]:
        """What it is, in words."""
        seen = self.seen
        what = f"{seen.program or seen.command}, main process {seen.pid}, {seen.processes} in all, of {seen.user}"
        found = self._platform.processes(self._name)
        some = ", ".join(f"{one.pid} {one.command}" for one in found[:MOST_SHOWN])
        more = f", and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        return (f"target {self._name} on {seen.host}: {what}", f"processes: {some}{more}")

    def confirm(self, *, yes: bool) -> None:
        """Have a person type the target's name, unless that was waived.

        Raises:
            InputError: There is nobody to ask.
            AbortedError: Something else was typed.
        """
        if yes:
            return
        if not sys.stdin.isatty():
            raise InputError(
                f"{self._name} was not confirmed, and nobody is there to ask", hint="--yes, if you are sure"
            )
        for line in (*self.described(), *self.fault.steps()):
            terminal().print(line)
        sys.stderr.write(f"Type {self._name} to go on: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != self._name:
            raise AbortedError("not confirmed, and nothing was done")

    def hold(self, directory: Path, *, hold_s: float | None, tell: Callable[[Struck], None]) -> Held:
        """Inject, hold and undo."""
        return hold_outside(self.fault, self._platform, self._reference, directory, hold_s=hold_s, tell=tell)


@contextlib.contextmanager
def chosen(fault: str, words: tuple[str, ...], on: str, allow: Path | None) -> Iterator[Chosen]:
    """Find the target, and the rule that allows it; at the end the link to it is closed.

    Raises:
        InputError: It is no target, or not allowed.
        FaultError: It is not there or not reached, or cannot have this fault.
    """
    kind = named(fault)
    target = address.parse(on)
    rules = allowance.near(target, allow_file.load(allow))
    platform, reference = reach.meet(
        target, ssh_config=next((rule.ssh_config for rule in rules if rule.ssh_config), "")
    )
    with contextlib.closing(platform):
        name = str(target)
        rule = allowance.allowed(target, platform.seen[name], fault, rules)
        if rule.restart:
            platform.arm({name: rule.restart})
        if why := "; ".join(filter(None, map(platform.refusal, sorted(kind.NEEDS)))):
            raise FaultError(f"{name} cannot have {fault}: {why}")
        own = ("member=" + name,) if any(each.name == "member" for each in parameters(kind)) else ()
        if any(word.startswith("member=") for word in words):
            raise InputError(f"--on {on} says which target is meant", hint="leave member= out")
        yield Chosen(parse(fault, (*words, *own)), name, platform, reference, rule)
