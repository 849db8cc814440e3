"""What listeners read of facts: everything but what could be a secret, and nothing without a bound."""

import math
import subprocess
import sys
from dataclasses import dataclass

import pytest

from bascule.cluster import facts as cluster_facts
from bascule.guard import facts as guard_facts
from bascule.guard.facts import AttemptFailed, FallbackUsed
from bascule.health import facts as health_facts
from bascule.kernel.facts import Fact, ListenerFailed
from bascule.telemetry import log, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd(Fact):
    words: str
    open_s: float
    wait_s: bool
    spent_s: float
    things: tuple[int, ...]


def odd(words: str = "w", open_s: float = 1.0, spent_s: float = 1.0) -> Odd:
    return Odd(at_s=1.0, words=words, open_s=open_s, wait_s=True, spent_s=spent_s, things=(1, 2))


def test_a_fact_is_read_by_its_fields() -> None:
    fact = AttemptFailed(at_s=5.0, guard="payments", attempt=2, wait_s=0.5, error="ConnectionError")
    assert reading.name_of(fact) == "AttemptFailed"
    assert reading.guard_of(fact) == "payments"
    assert reading.values_of(fact) == {"attempt": 2, "wait_s": 0.5, "error": "ConnectionError"}
    assert reading.durations_of(fact) == {"wait": 0.5}


def test_a_fact_without_a_guard_is_nobodys() -> None:
    assert reading.guard_of(health_facts.BecameReady(at_s=1.0)) == ""


def test_what_is_no_duration_is_none() -> None:
    assert reading.durations_of(odd(open_s=math.inf, spent_s=-1.0)) == {}
    assert reading.durations_of(FallbackUsed(at_s=1.0, guard="g", kind="value", error="E", age_s=None)) == {}


def test_texts_are_bounded_and_on_one_line() -> None:
    told = reading.values_of(odd(words="a\nb\x1b[31m" + "x" * 1000, open_s=math.nan))
    text = told["words"]
    assert isinstance(text, str)
    assert text.startswith("a b [31m")
    assert len(text) == reading.MOST_CHARACTERS
    assert (told["open_s"], told["things"], told["wait_s"]) == ("nan", "(1, 2)", True)


def test_what_a_strangers_error_says_is_withheld() -> None:
    fact = ListenerFailed(at_s=1.0, listener="f", heard="CircuitOpened", error="password=hunter2")
    assert reading.values_of(fact) == {"listener": "f", "heard": "CircuitOpened"}


def test_every_fact_whose_level_is_named_exists() -> None:
    known = {**vars(guard_facts), **vars(health_facts), **vars(cluster_facts), "ListenerFailed": ListenerFailed}
    assert set(log.LEVELS) <= set(known)


@pytest.mark.parametrize("module", ["log", "reading"])
def test_nothing_is_imported_that_is_not_needed(module: str) -> None:
    code = (
        f"import sys, bascule.telemetry.{module}\n"
        "assert not {'prometheus_client', 'opentelemetry', 'bascule.guard'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
