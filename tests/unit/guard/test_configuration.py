"""Guards are made from a file or a mapping, changed while calls run without losing what they know, or not at all."""

from __future__ import annotations

import datetime as dt
import math
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest

from bascule.guard import (
    AdaptiveLimit,
    Aimd,
    Bulkhead,
    CircuitBreaker,
    Consecutive,
    CountWindow,
    Exponential,
    Fixed,
    Guards,
    Retry,
    Stream,
    Timeout,
    TimeWindow,
)
from bascule.guard.configuration import MOST_BYTES, MOST_GUARDS, PARTS, POLICIES
from bascule.kernel.errors import InputError

PATIENCE_S = 30.0
FULL = """
[payments]
order = ["deadline", "retry", "circuit_breaker", "bulkhead", "timeout"]
[payments.deadline]
budget_s = 2.0
[payments.retry]
attempts = 4
on = ["ConnectionError", "card"]
backoff = {kind = "exponential", first_s = 0.25, cap_s = 2.0}
budget = {ratio = 0.5, reserve = 3}
[payments.circuit_breaker]
window = {kind = "consecutive", failures = 2}
ignore = "card"
[payments.bulkhead]
limit = 3
key = "user"
[payments.timeout]
limit_s = 0.5

[search]
[search.timeout]
limit_s = 0.25
[search.retry]
backoff = {kind = "fixed", delay_s = 0.1}
budget = false
[search.adaptive_limit]
algorithm = {kind = "aimd", initial = 5}
"""


class CardError(Exception):
    """An error of the application's own."""


def user(name: str = "") -> str:
    return name


def five() -> int:
    return 5


def fails() -> None:
    raise ConnectionError


def policy(guards: Guards, name: str, kind: type[Any]) -> Any:
    (found,) = (one for one in guards[name].policies if type(one) is kind)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard.toml"


@pytest.fixture
def guards(path: Path) -> Guards:
    path.write_text(FULL)
    return Guards.load(path, errors={"card": CardError}, functions={"user": user}, facts=Stream())


def test_a_file_describes_guards_by_name(guards: Guards) -> None:
    assert list(guards) == ["payments", "search"]
    assert len(guards) == 2
    assert repr(guards["payments"]) == "<Guard 'payments': Deadline > Retry > CircuitBreaker > Bulkhead > Timeout>"
    with pytest.raises(KeyError):
        guards["unknown"]


def test_options_are_taken_over(guards: Guards) -> None:
    retry = policy(guards, "payments", Retry)
    assert (retry.attempts, retry.on, retry.budget.ratio) == (4, (ConnectionError, CardError), 0.5)
    assert retry.backoff == Exponential(0.25, cap_s=2.0)
    breaker = policy(guards, "payments", CircuitBreaker)
    assert (breaker.window, breaker.ignore) == (Consecutive(2), (CardError,))
    assert policy(guards, "payments", Bulkhead).key is user
    assert policy(guards, "search", Retry).budget is None
    assert policy(guards, "search", Retry).backoff == Fixed(0.1)
    assert policy(guards, "search", AdaptiveLimit).algorithm == Aimd(initial=5)


def test_without_an_order_policies_stand_in_the_one_that_fits_most(guards: Guards) -> None:
    assert [type(one) for one in guards["search"].policies] == [Retry, AdaptiveLimit, Timeout]
    told: dict[str, dict[str, Any]] = {name: {} for name in POLICIES if name not in {"fallback", "cache", "hedge"}}
    told |= {"fallback": {"value": 0}, "cache": {"ttl_s": 1.0}, "deadline": {"budget_s": 9.0}, "hedge": {}}
    told |= {"rate_limit": {"limit": 9}, "bulkhead": {"limit": 9}, "timeout": {"limit_s": 5.0}}
    told |= {name: {"rate": 0.1} for name in ("inject_latency", "inject_error")}
    told |= {"inject_result": {"rate": 0.1, "value": 0}, "inject_corruption": {"rate": 0.1, "corrupt": "ruin"}}
    made = Guards({"all": told}, functions={"ruin": str})["all"]
    assert [type(one) for one in made.policies] == list(POLICIES.values())


def test_a_mapping_does_as_well_as_a_file() -> None:
    guards = Guards({"db": {"retry": {"attempts": 2}, "circuit_breaker": {"window": {"kind": "count", "size": 20}}}})
    assert policy(guards, "db", CircuitBreaker).window == CountWindow(20)
    assert guards["db"].call(five) == 5
    over_time = Guards({"db": {"circuit_breaker": {"window": {"kind": "time"}}}})
    assert isinstance(policy(over_time, "db", CircuitBreaker).window, TimeWindow)


def test_no_guards_are_guards_too(path: Path) -> None:
    path.write_text("")
    assert len(Guards.load(path)) == len(Guards({})) == 0


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("", "a description of guards is a table with a table for each"),
        (None, "a description of guards is a table"),
        ([1], "a description of guards is a table"),
        ({1: {"retry": {}}}, "1: a guard's name is 1 to 100 printable characters"),
        ({"": {"retry": {}}}, "'': a guard's name is 1 to 100 printable characters"),
        ({"a" * 101: {"retry": {}}}, "a guard's name is 1 to 100 printable characters"),
        ({"db": {}}, "db: a guard is a table with a table for each policy"),
        ({"db": 5}, "db: a guard is a table with a table for each policy"),
        ({"db": {"order": []}}, "db: a guard needs a policy"),
        ({"db": {"retyr": {}}}, "db.'retyr': there is no such policy .*there are: fallback, cache"),
        ({"db": {5: {}}}, "db.5: there is no such policy"),
        ({"db": {"retry": 5}}, r"db\.retry: a policy is a table of options"),
        ({"db": {"retry": {}, "order": "retry"}}, r"db\.order: it must name each of retry once"),
        ({"db": {"retry": {}, "order": []}}, r"db\.order: it must name each of retry once"),
        ({"db": {"retry": {}, "order": [5]}}, r"db\.order: it must name each of retry once"),
        ({"db": {"retry": {}, "order": ["retry", "retry"]}}, r"db\.order: it must name each of retry once"),
        ({"db": {"retry": {}, "order": ["retry", "cache"]}}, r"db\.order: it must name each of retry once"),
        ({"db": {"retry": {"attempts": 0}}}, r"db\.retry: Retry\.attempts: 0 must be a whole number"),
        ({"db": {"retry": {"atempts": 3}}}, r"db\.retry: there is no option 'atempts' \(there are: attempts, backoff"),
        ({"db": {"retry": {"_home": 3}}}, r"db\.retry: there is no option '_home'"),
        ({"db": {"retry": {5: 3}}}, r"db\.retry: there is no option 5"),
        ({"db": {"timeout": {}}}, r"db\.timeout: its options are not right: .*'limit_s'"),
        ({"db": {"retry": {"on": "NoSuchError"}}}, r"db\.retry\.on: there is no error 'NoSuchError' .*errors={...}"),
        ({"db": {"retry": {"on": "KeyboardInterrupt"}}}, r"db\.retry\.on: there is no error 'KeyboardInterrupt'"),
        ({"db": {"retry": {"on": "print"}}}, r"db\.retry\.on: there is no error 'print'"),
        ({"db": {"retry": {"on": ["ValueError", 5]}}}, r"db\.retry\.on: there is no error 5"),
        ({"db": {"retry": {"on_result": "os.system"}}}, "'os.system' is no function that was given .*functions={...}"),
        ({"db": {"retry": {"on_result": 5}}}, "5 is no function that was given"),
        ({"db": {"retry": {"backoff": {}}}}, r"db\.retry\.backoff\.kind: None must be one of exponential, fixed"),
        ({"db": {"retry": {"backoff": {"kind": "random"}}}}, r"backoff\.kind: 'random' must be one of"),
        ({"db": {"retry": {"backoff": {"kind": ["fixed"]}}}}, r"backoff\.kind: \['fixed'\] must be one of"),
        (
            {"db": {"retry": {"backoff": {"kind": "fixed", "wait": 1}}}},
            r"db\.retry\.backoff: there is no option 'wait' \(there are: delay_s",
        ),
        ({"db": {"retry": {"backoff": {"kind": "fixed", "delay_s": -1}}}}, r"db\.retry\.backoff: Fixed\.delay_s: -1"),
        ({"db": {"retry": {"budget": {"ratio": 99}}}}, r"db\.retry\.budget: RetryBudget\.ratio: 99 must be"),
        ({"db": {"retry": {"first_immediate": "no"}}}, r"Retry\.first_immediate: 'no' must be True or False"),
        ({"db": {"rate_limit": {"limit": 1, "shared": "redis"}}}, r"RateLimit\.shared: 'redis' must be"),
        (
            {"db": {"timeout": {"limit_s": 5}, "deadline": {"budget_s": 1}}},
            "db: Timeout of 5 s inside of Deadline of 1 s would never end a call",
        ),
        (
            {"db": {"retry": {}, "deadline": {"budget_s": 1}, "order": ["retry", "deadline"]}},
            "db: Retry stands outside of Deadline",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(told: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Guards(told, functions={"user": user})


def deep(levels: int) -> dict[str, Any]:
    outer: dict[str, Any] = {}
    inner = outer
    for _ in range(levels):
        inner["a"] = {}
        inner = inner["a"]
    return outer


HOSTILE: list[Any] = [
    None, True, -1, 1.5, 10**4000, -(10**4000), 1e308, math.nan, math.inf, -math.inf, "", "x" * 100_000, "\x00",
    [], ["x"], [[]], {}, {"kind": ["x"]}, {"kind": {}}, {"kind": "fixed", "x": 1}, {"kind": "count", "size": "x"},
    {"kind": "exponential", "jitter": []}, {"kind": "aimd", "initial": {}}, {"kind": "time", "span_s": []},
    {"ratio": []}, deep(100_000), [deep(100_000)], dt.date(2026, 1, 1), dt.time(),
]  # fmt: skip
NEEDED: dict[str, dict[str, Any]] = {
    "fallback": {"value": 1}, "deadline": {"budget_s": 1.0}, "timeout": {"limit_s": 1.0}, "cache": {"ttl_s": 1.0},
    "rate_limit": {"limit": 1}, "bulkhead": {"limit": 1},
}  # fmt: skip


def refused(told: Any) -> None:
    """Hold a description to be taken, or to be refused in a few words."""
    try:
        guards = Guards(told)
    except InputError as error:
        assert len(str(error)) < 1000  # noqa: PT017 - not every one of them is refused
    else:
        for guard in guards.values():
            assert guard.snapshot()


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_wrong_value_at_any_option_is_refused_or_taken_but_nothing_else(name: str) -> None:
    for option in [*(one.name for one in fields(cast("Any", POLICIES[name]))), "nonsense"]:
        for value in HOSTILE:
            refused({"db": {name: {**NEEDED.get(name, {}), option: value}}})


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_a_wrong_value_at_any_part_of_an_option_is_refused_or_taken_but_nothing_else(kind: str) -> None:
    name = {"window": "circuit_breaker", "algorithm": "adaptive_limit"}.get(kind, "retry")
    for part, made in PARTS[kind].items():
        for option in made.__init__.__annotations__:
            for value in HOSTILE:
                refused({"db": {name: {kind: {"kind": part, option: value}}}})


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_a_wrong_value_at_any_other_place_is_refused(value: Any) -> None:
    refused(value)
    refused({"db": value})
    refused({"db": {"retry": value}})
    refused({"db": {"retry": {}, "order": value}})
    refused({"db": {"retry": {}, "order": [value]}})
    refused({"db": {"unknown": value}})
    if isinstance(value, str):
        refused({value: {"retry": {}}})
        refused({"db": {value: {}}})
        refused({"db": {"retry": {value: 1}}})
        refused({"db": {"retry": {"on": value}}})


def test_too_many_guards_are_refused() -> None:
    with pytest.raises(InputError, match=f"{MOST_GUARDS + 1} guards are described, and {MOST_GUARDS} is the most"):
        Guards({f"g{number}": {"retry": {}} for number in range(MOST_GUARDS + 1)})


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"x = ", "it is no TOML"),
        (b"[a]\n[a]\n", "it is no TOML"),
        (b"\xff\xfe", "it is no TOML"),
        (b"a = " + b"[" * 100_000, "it is no TOML"),
        (b"a = " + b"{a=" * 100_000, "it is no TOML"),
        (b"a = " + b"9" * 10_000, "it is no TOML"),
        (b"#" * (MOST_BYTES + 1), f"it is larger than {MOST_BYTES} bytes"),
        (b"[db.retry]\nattempts." + b"a." * 50_000 + b"a = 1", r"guard\.toml:2: a key is nested too deep"),
        (b"[" + b"db." * 50_000 + b"a]\nx = 1", r"guard\.toml:1: a key is nested too deep"),
        (b"[db.retry]\nattempts." + b"a." * 50 + b"a = 1", "is nested 20 deep at most"),
    ],
    ids=[
        "no value",
        "twice",
        "no text",
        "deep lists",
        "deep tables",
        "long number",
        "large",
        "dotted",
        "header",
        "deep",
    ],
)
def test_a_hostile_file_is_refused_in_a_few_words(path: Path, raw: bytes, words: str) -> None:
    path.write_bytes(raw)
    with pytest.raises(InputError, match=words) as refused:
        Guards.load(path)
    assert len(str(refused.value)) < 1000


def test_a_file_that_cannot_be_read_is_refused_with_its_path(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nothing.toml"):
        with pytest.raises(InputError, match="it cannot be read") as refused:
            Guards.load(place)
        assert str(refused.value).startswith(str(place))


def test_nothing_is_imported_that_a_file_names(path: Path) -> None:
    path.write_text('[db.retry]\non = "antigravity"\non_result = "this.s"\n')
    with pytest.raises(InputError):
        Guards.load(path)
    assert "antigravity" not in sys.modules
