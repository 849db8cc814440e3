"""Facts and snapshots as metrics, read back by prometheus-client's own parsers."""

import math
from collections.abc import Mapping
from typing import Any

import prometheus_client.exposition
import prometheus_client.openmetrics.exposition
import prometheus_client.openmetrics.parser
import prometheus_client.parser
import pytest
from prometheus_client import CollectorRegistry

from bascule.guard import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Fixed,
    Guard,
    Retry,
    Stream,
    Timeout,
    World,
)
from bascule.guard.circuit_breaker.states import State
from bascule.guard.facts import AttemptFailed, CallTimedOut, CircuitHalfOpened, CircuitOpened, FallbackUsed
from bascule.guard.http import by_host
from bascule.health.facts import BecameReady, CheckRecovered
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError
from bascule.telemetry.prometheus import OTHERS, STATES, PrometheusFacts, SnapshotCollector

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


# prometheus-client has types for some of its functions alone
write: Any = prometheus_client.exposition.generate_latest
read: Any = prometheus_client.parser.text_string_to_metric_families
write_openmetrics: Any = prometheus_client.openmetrics.exposition.generate_latest
read_openmetrics: Any = prometheus_client.openmetrics.parser.text_string_to_metric_families


def scrape(registry: CollectorRegistry) -> Series:
    """Every sample of the text exposition; the stricter reader of OpenMetrics must understand the same."""
    families = list(read(write(registry).decode()))
    assert len(list(read_openmetrics(write_openmetrics(registry).decode()))) <= len(families)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((name, frozenset(labels.items())))


def test_facts_are_counted_by_kind_and_guard() -> None:
    registry = CollectorRegistry()
    hear = PrometheusFacts(registry)
    for _ in range(3):
        hear(CircuitHalfOpened(at_s=1.0, guard="payments", key=""))
    hear(BecameReady(at_s=1.0))
    series = scrape(registry)
    assert value(series, "bascule_facts_total", fact="CircuitHalfOpened", guard="payments") == 3
    assert value(series, "bascule_facts_total", fact="BecameReady", guard="") == 1


def test_durations_have_histograms() -> None:
    registry = CollectorRegistry()
    hear = PrometheusFacts(registry, buckets_s=(1.0, 10.0))
    hear(AttemptFailed(at_s=99.0, guard="g", attempt=1, wait_s=0.5, error="E"))
    hear(AttemptFailed(at_s=99.0, guard="g", attempt=2, wait_s=5.0, error="E"))
    hear(CallTimedOut(at_s=99.0, guard="g", limit_s=2.0, abandoned=True))
    hear(CheckRecovered(at_s=99.0, check="db", failed_for_s=3.0))
    hear(FallbackUsed(at_s=99.0, guard="g", kind="value", error="E", age_s=None))
    hear(CircuitOpened(at_s=99.0, guard="g", key="", reason="isolated", open_s=math.inf))
    series = scrape(registry)
    wait = {"fact": "AttemptFailed", "guard": "g"}
    assert value(series, "bascule_fact_wait_seconds_count", **wait) == 2
    assert value(series, "bascule_fact_wait_seconds_sum", **wait) == 5.5
    assert value(series, "bascule_fact_wait_seconds_bucket", le="1.0", **wait) == 1
    assert value(series, "bascule_fact_limit_seconds_sum", fact="CallTimedOut", guard="g") == 2.0
    assert value(series, "bascule_fact_failed_for_seconds_sum", fact="CheckRecovered", guard="") == 3.0
    assert not [name for name, _ in series if "_at_" in name or "_age_" in name or "_open_" in name]


def test_made_up_names_do_not_make_series_without_end() -> None:
    registry = CollectorRegistry()
    hear = PrometheusFacts(registry, most_guards=2, most_facts=1)
    for number in range(50):
        hear(CircuitHalfOpened(at_s=1.0, guard=f"guard {number}", key=""))
    hear(AttemptFailed(at_s=1.0, guard="guard 0", attempt=1, wait_s=1.0, error="E"))
    series = scrape(registry)
    totals = {labels: count for (name, labels), count in series.items() if name == "bascule_facts_total"}
    assert sorted(totals.values()) == [1, 1, 1, 48]
    assert value(series, "bascule_facts_total", fact="CircuitHalfOpened", guard=OTHERS) == 48
    assert value(series, "bascule_facts_total", fact=OTHERS, guard="guard 0") == 1


def test_names_that_need_escapes_come_through() -> None:
    registry = CollectorRegistry()
    PrometheusFacts(registry)(CircuitHalfOpened(at_s=1.0, guard='a"b\\c\nd', key=""))
    assert value(scrape(registry), "bascule_facts_total", fact="CircuitHalfOpened", guard='a"b\\c d') == 1


def test_one_registry_has_it_once() -> None:
    registry = CollectorRegistry()
    PrometheusFacts(registry)
    with pytest.raises(ValueError, match="bascule_facts"):
        PrometheusFacts(registry)


class Request:
    def __init__(self, host: str) -> None:
        self.url = type("Url", (), {"scheme": "http", "host": host, "port": None})()


def test_a_real_guard_is_seen_as_it_is() -> None:
    registry = CollectorRegistry()
    breaker = CircuitBreaker(window=Consecutive(1), open_s=30.0, key=by_host)
    world = World.fake(FakeClock(), SeededDice(1))
    facts = Stream()
    facts.subscribe(PrometheusFacts(registry))
    guard = Guard(Retry(2, backoff=Fixed(0.5)), breaker, Bulkhead(7), name="api", world=world, facts=facts)
    registry.register(SnapshotCollector({"api": guard.snapshot}))

    @guard
    def fetch(request: Request) -> str:
        if request.url.host == "bad":
            raise ConnectionError
        return "fetched"

    assert fetch(Request("good")) == "fetched"
    with pytest.raises(CircuitOpenError):
        fetch(Request("bad"))
    assert facts.flush()
    series = scrape(registry)
    here = {"guard": "api", "policy": "CircuitBreaker"}
    for host, state in (("good", "closed"), ("bad", "open")):
        for known in STATES:
            told = value(series, "bascule_guard_state", key=f"http://{host}:80", bascule_guard_state=known, **here)
            assert told == float(known == state)
    assert value(series, "bascule_guard_retry_after_seconds", key="http://bad:80", **here) == 29.5
    assert value(series, "bascule_guard_refused", key="http://bad:80", **here) == 1
    assert value(series, "bascule_guard_limit", guard="api", policy="Bulkhead", key="") == 7
    assert value(series, "bascule_guard_budget_tokens", guard="api", policy="Retry", key="") == 9
    assert value(series, "bascule_guard_snapshot_failed", guard="api") == 0
    assert value(series, "bascule_facts_total", fact="CircuitOpened", guard="api") == 1
    assert value(series, "bascule_fact_wait_seconds_sum", fact="AttemptFailed", guard="api") == 0.5


def test_the_states_are_those_of_circuits() -> None:
    assert set(STATES) == {state.value for state in State}


def test_a_circuit_without_a_key_and_a_limit_without_a_number() -> None:
    registry = CollectorRegistry()
    breaker = CircuitBreaker()
    breaker.isolate()
    guard = Guard(breaker, Timeout(2.0))
    registry.register(SnapshotCollector({"g": guard.snapshot}))
    series = scrape(registry)
    labels = {"guard": "g", "policy": "CircuitBreaker", "key": ""}
    assert value(series, "bascule_guard_state", bascule_guard_state="isolated", **labels) == 1
    assert value(series, "bascule_guard_retry_after_seconds", **labels) is None
    assert value(series, "bascule_guard_limit_seconds", guard="g", policy="Timeout", key="") == 2.0


def test_a_snapshot_that_fails_is_told_and_costs_the_others_nothing() -> None:
    def broken() -> Mapping[str, object]:
        raise RuntimeError("password=hunter2")

    registry = CollectorRegistry()
    registry.register(SnapshotCollector({"bad": broken, "good": lambda: {"P": {"limit": 1}, "note": "no policy"}}))
    series = scrape(registry)
    assert value(series, "bascule_guard_snapshot_failed", guard="bad") == 1
    assert value(series, "bascule_guard_limit", guard="good", policy="P", key="") == 1
    assert b"hunter2" not in write(registry)


def test_keys_beyond_the_bound_are_counted_and_not_shown() -> None:
    circuits = {f"key {number}": {"state": "open", "refused": number} for number in range(10)}
    registry = CollectorRegistry()
    registry.register(SnapshotCollector({"g": lambda: {"CircuitBreaker": circuits}}, most_keys=3))
    series = scrape(registry)
    assert len([name for name, _ in series if name == "bascule_guard_refused"]) == 3
    assert value(series, "bascule_guard_keys_left_out", guard="g", policy="CircuitBreaker") == 7


def test_guards_may_come_later_and_odd_names_make_good_metrics() -> None:
    registry = CollectorRegistry()
    snapshots: dict[str, object] = {}
    registry.register(SnapshotCollector(snapshots))  # type: ignore[arg-type]  # filled below
    assert scrape(registry) == {}
    snapshots["g"] = lambda: {"P": {"a-b c": 1, "state": 5, "is_warm": True, "deep": {"er_s": 2.5}, "new": None}}
    series = scrape(registry)
    labels = {"guard": "g", "policy": "P", "key": ""}
    assert value(series, "bascule_guard_a_b_c", **labels) == 1
    assert value(series, "bascule_guard_state_number", **labels) == 5
    assert value(series, "bascule_guard_is_warm", **labels) == 1
    assert value(series, "bascule_guard_deep_er_seconds", **labels) == 2.5


def test_a_state_that_is_not_known_is_shown_beside_the_others() -> None:
    registry = CollectorRegistry()
    registry.register(SnapshotCollector({"g": lambda: {"Shared": {"state": "unreachable"}}}))
    labels = {"guard": "g", "policy": "Shared", "key": ""}
    assert value(scrape(registry), "bascule_guard_state", bascule_guard_state="unreachable", **labels) == 1


def test_bounds_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="most_keys: 0 must be"):
        SnapshotCollector({}, most_keys=0)
    with pytest.raises(InputError, match="0 labels are too few"):
        PrometheusFacts(CollectorRegistry(), most_guards=0)
