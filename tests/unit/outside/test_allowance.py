from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent

import pytest
from msgspec.structs import replace

from bascule.kernel.errors import InputError
from bascule.outside import allow_file, allowance
from bascule.outside.address import Address, parse
from bascule.outside.allowance import Rule
from bascule.outside.seen import Seen

Decide = Callable[[Address, Seen, str, Iterable[Rule]], Rule]
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "targets.md"
SEEN = Seen(
    pid=7, start=1, command="python3", program="/usr/bin/python3.11",
    words=("/usr/bin/python3", "/opt/app/worker.py", "-v"), user="app", processes=1, boot="b", host="h", refusal={},
)  # fmt: skip
PID, UNIT = Address(pid=7), Address(unit="web.service")
WORKER = Rule(words=("/usr/bin/python3", "/opt/app/worker.py"), user="app", faults=("process-freeze",))
CASES: list[tuple[str, Address, Seen, str, tuple[Rule, ...], bool]] = [
    ("its words", PID, SEEN, "process-freeze", (WORKER,), True),
    ("another fault", PID, SEEN, "process-kill", (WORKER,), False),
    ("all faults", PID, SEEN, "process-kill", (replace(WORKER, faults=("all",)),), True),
    ("another's", PID, replace(SEEN, user="root"), "process-freeze", (WORKER,), False),
    ("other words", PID, replace(SEEN, words=("/usr/bin/python3", "/other.py")), "process-freeze", (WORKER,), False),
    ("fewer words", PID, replace(SEEN, words=("/usr/bin/python3",)), "process-freeze", (WORKER,), False),
    ("no list", PID, SEEN, "process-freeze", (), False),
    ("another machine", parse("ssh:a/pid:7"), SEEN, "process-freeze", (WORKER,), False),
    ("that machine", parse("ssh:a/pid:7"), SEEN, "process-freeze", (replace(WORKER, host="a"),), True),
    ("another user there", parse("ssh:root@a/pid:7"), SEEN, "process-freeze", (replace(WORKER, host="a"),), False),
    ("here, not there", PID, SEEN, "process-freeze", (replace(WORKER, host="a"),), False),
    ("its unit", UNIT, SEEN, "process-kill", (Rule(unit="web.service", faults=("all",)),), True),
    ("another unit", UNIT, SEEN, "process-kill", (Rule(unit="db.service", faults=("all",)),), False),
    ("a user's unit", UNIT, SEEN, "process-kill", (Rule(user_unit="web.service", faults=("all",)),), False),
    ("a process is no unit", PID, SEEN, "process-kill", (Rule(unit="web.service", faults=("all",)),), False),
    ("the second rule", PID, SEEN, "process-kill", (WORKER, replace(WORKER, faults=("process-kill",))), True),
]  # fmt: skip


def wrong(decide: Decide) -> list[str]:
    """The cases that are decided wrongly."""
    found = []
    for name, address, seen, fault, rules, right in CASES:
        try:
            decide(address, seen, fault, rules)
            allowed = True
        except InputError:
            allowed = False
        found += [name] if allowed != right else []
    return found


def test_nothing_is_allowed_but_what_a_rule_says() -> None:
    assert wrong(allowance.allowed) == []


def anywhere(address: Address, seen: Seen, fault: str, rules: Iterable[Rule]) -> Rule:
    return allowance.allowed(replace(address, machine=None), seen, fault, [replace(rule, host="") for rule in rules])


def by_anybody(address: Address, seen: Seen, fault: str, rules: Iterable[Rule]) -> Rule:
    return allowance.allowed(address, seen, fault, [replace(rule, user="") for rule in rules])


def by_the_first_word(address: Address, seen: Seen, fault: str, rules: Iterable[Rule]) -> Rule:
    return allowance.allowed(address, seen, fault, [replace(rule, words=rule.words[:1]) for rule in rules])


def any_fault(address: Address, seen: Seen, fault: str, rules: Iterable[Rule]) -> Rule:
    return allowance.allowed(address, seen, fault or "", [replace(rule, faults=("all",)) for rule in rules])


def first_rule(address: Address, seen: Seen, fault: str, rules: Iterable[Rule]) -> Rule:
    return allowance.allowed(address, seen, fault, tuple(rules)[:1])


@pytest.mark.parametrize("mutant", [anywhere, by_anybody, by_the_first_word, any_fault, first_rule])
def test_a_decision_that_overlooks_something_is_noticed(mutant: Decide) -> None:
    assert wrong(mutant)


def test_the_guides_list_is_read_as_it_says(tmp_path: Path) -> None:
    text = GUIDE.read_text().partition("```yaml\n")[2].partition("```")[0]
    path = tmp_path / "targets.yaml"
    path.write_text(dedent(text))
    path.chmod(0o600)
    web, database, worker = allow_file.load(path)
    assert (web.unit, web.faults) == ("web.service", ("process-freeze", "process-slow"))
    assert (database.host, database.unit) == ("root@db-1", "postgresql.service")
    assert worker.restart[0] == "/usr/bin/setpriv"
