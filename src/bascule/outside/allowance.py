"""What may be broken outside the lab: nothing but what an allow-list names, and by the faults that it names. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.outside.address import Address
from bascule.outside.seen import Seen

EVERY_FAULT = "all"


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"user_unit": "user-unit"}):
    """One target that may be broken, and how.

    A unit by its name; a process by its program, the beginning of its command line, or the kernel's name for it. What
    is given must all be true of it.

    Attributes:
        faults: Names of faults, or `all`.
        host: `user@host:port` exactly as in `--on ssh:...`; empty: this machine.
        unit: A unit of the machine's service manager.
        user_unit: A unit of the user's own service manager.
        program: The file that it runs.
        words: The first words of its command line.
        command: The kernel's name for it.
        user: To whom it belongs.
        restart: The command, in words, that starts a killed process again, and stays in the foreground.
        ssh_config: A configuration file of ssh to reach the host by, instead of the user's own.
    """

    faults: tuple[str, ...]
    host: str = ""
    unit: str = ""
    user_unit: str = ""
    program: str = ""
    words: tuple[str, ...] = ()
    command: str = ""
    user: str = ""
    restart: tuple[str, ...] = ()
    ssh_config: str = ""

    def problem(self) -> str:
        """What is wrong with the rule; empty if nothing is."""
        by_process = bool(self.program or self.words or self.command)
        if bool(self.unit) + bool(self.user_unit) + by_process != 1:
            return "a target is a unit, a user-unit, or a process by its program, words or command"
        if self.restart and not by_process:
            return "systemd starts a unit again: it needs no restart command"
        if self.ssh_config and not self.host:
            return "ssh_config without a host"
        return "" if self.faults else "no fault is allowed"


def near(address: Address, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules that may be meant, before anything is known of the target but its name.

    Raises:
        InputError: None is: then nobody even looks at the machine.
    """
    host = str(address.machine or "")
    found = tuple(
        rule
        for rule in rules
        if rule.host == host
        and rule.unit == ("" if address.of_user else address.unit)
        and rule.user_unit == (address.unit if address.of_user else "")
    )
    if not found:
        raise InputError(f"{address} is not in the allow-list", hint="add it there: docs/targets.md")
    return found


def allowed(address: Address, seen: Seen, fault: str, rules: Iterable[Rule]) -> Rule:
    """The rule that allows a fault of this target.

    Raises:
        InputError: None does.
    """
    mine = [rule for rule in near(address, rules) if _fits(rule, seen)]
    if not mine:
        is_it = f"{seen.program or seen.command} of {seen.user}"
        raise InputError(f"{address} is not in the allow-list: it is {is_it}", hint="add it there: docs/targets.md")
    for rule in mine:
        if fault in rule.faults or EVERY_FAULT in rule.faults:
            return rule
    named = ", ".join(dict.fromkeys(name for rule in mine for name in rule.faults))
    raise InputError(f"{fault} is not allowed for {address}", hint=f"the allow-list allows {named}")


def _fits(rule: Rule, seen: Seen) -> bool:
    return (
        rule.program in {"", seen.program}
        and rule.command in {"", seen.command}
        and rule.user in {"", seen.user}
        and seen.words[: len(rule.words)] == rule.words
    )
