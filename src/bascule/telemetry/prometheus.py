"""Facts and snapshots as metrics of prometheus-client."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, StateSetMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact
from bascule.telemetry.reading import durations_of, guard_of, name_of, plain_text

OTHERS = "(others)"
BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
STATES = ("closed", "open", "half_open", "isolated")
"""What a circuit can do with calls."""

RESERVED = {"bascule_guard_state", "bascule_guard_keys_left_out", "bascule_guard_snapshot_failed"}
_LABELS = ["guard", "policy", "key"]
Snapshot = Callable[[], Mapping[str, object]]


class PrometheusFacts:
    """Counts facts, and what they tell of durations: `FACTS.subscribe(PrometheusFacts())`.

    `bascule_facts_total{fact,guard}` counts them. Each field that is a duration has a histogram
    `bascule_fact_<field>_seconds{fact,guard}`: `wait_s` of `AttemptFailed` and `open_s` of `CircuitOpened` are in
    `bascule_fact_wait_seconds` and `bascule_fact_open_seconds`.

    Guards have the label `(others)` from the `most_guards + 1`st on, and so have facts from the `most_facts + 1`st kind
    on: there is a bound on how many series there are, whoever makes up names.

    Args:
        registry: Where the metrics are registered, once.
        most_guards: Guards with a label of their own.
        most_facts: Kinds of facts with a label of their own.
        buckets_s: The histograms' upper bounds, in seconds, ascending.
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        most_guards: int = 100,
        most_facts: int = 100,
        buckets_s: Iterable[float] = BUCKETS_S,
    ) -> None:
        self._registry = registry
        self._guards = _Bounded(most_guards)
        self._facts = _Bounded(most_facts)
        self._buckets_s = tuple(buckets_s)
        self._count = Counter("bascule_facts", "What happened, by kind.", ["fact", "guard"], registry=registry)
        self._histograms: dict[str, Histogram] = {}
        self._lock = threading.Lock()

    def __call__(self, fact: Fact) -> None:
        """Hear a fact."""
        name = self._facts.label(name_of(fact))
        guard = self._guards.label(guard_of(fact))
        self._count.labels(name, guard).inc()
        if name != OTHERS:
            for field, duration_s in durations_of(fact).items():
                self._histogram(field).labels(name, guard).observe(duration_s)

    def _histogram(self, field: str) -> Histogram:
        with self._lock:
            histogram = self._histograms.get(field)
            if histogram is None:
                histogram = self._histograms[field] = Histogram(
                    f"bascule_fact_{_metric_word(field)}_seconds",
                    f"What facts tell as {field}_s, in seconds.",
                    ["fact", "guard"],
                    registry=self._registry,
                    buckets=self._buckets_s,
                )
            return histogram


class _Bounded:
    """Lets the first so many values be labels, and gives all others one in common."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise InputError(f"{most} labels are too few", hint="let there be at least 1")
        self._most = most
        self._known: set[str] = {""}
        self._lock = threading.Lock()

    def label(self, value: str) -> str:
        """The value itself, or what stands for all that are too many."""
        with self._lock:
            if value not in self._known:
                if len(self._known) > self._most:
                    return OTHERS
                self._known.add(value)
            return value


class SnapshotCollector(Collector):
    """Shows what guards are doing at the moment of each scrape, from their snapshots.

        registry.register(SnapshotCollector({"payments": payments.snapshot}))

    A snapshot has a mapping for each policy. Its numbers become `bascule_guard_<number>{guard,policy,key}`, deeper ones
    with their path as the name (`bascule_guard_budget_tokens`). Where a policy has a mapping for each key, as a breaker
    has for its circuits, the key becomes the label; such a mapping is known by its `state`. States become the state set
    `bascule_guard_state`: 1 for the one it is in, 0 for the others.

    `bascule_guard_snapshot_failed{guard}` is 1 for a guard whose snapshot could not be taken: the others are shown all
    the same. `bascule_guard_keys_left_out{guard,policy}` counts keys beyond `most_keys`.

    Args:
        snapshots: What gives the snapshot, by the name of its guard. The mapping may grow and shrink later.
        most_keys: Keys that are shown for one policy at most.
    """

    def __init__(self, snapshots: Mapping[str, Snapshot], *, most_keys: int = 100) -> None:
        if most_keys < 1:
            raise InputError(f"SnapshotCollector.most_keys: {most_keys} must be at least 1")
        self._snapshots = snapshots
        self._most_keys = most_keys

    def describe(self) -> Iterable[Metric]:
        """Nothing: which numbers there are is known when a snapshot is taken."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The numbers and states of now."""
        scrape = _Scrape(self._most_keys)
        for name, snapshot in dict(self._snapshots).items():
            guard = plain_text(name)
            try:
                taken = dict(snapshot())
            except Exception:  # noqa: BLE001 - one guard must not take the others' metrics with it; it is told as a metric
                scrape.failed.add_metric([guard], 1.0)
                continue
            scrape.failed.add_metric([guard], 0.0)
            for policy, shown in taken.items():
                if isinstance(shown, Mapping):
                    scrape.policy(guard, plain_text(policy), shown)
        yield from scrape.families()


class _Scrape:
    """The metrics of one scrape."""

    def __init__(self, most_keys: int) -> None:
        self._most_keys = most_keys
        self._gauges: dict[str, GaugeMetricFamily] = {}
        self._states = StateSetMetricFamily("bascule_guard_state", "What a circuit does with calls.", labels=_LABELS)
        self._left_out = GaugeMetricFamily(
            "bascule_guard_keys_left_out", "Keys that are not shown, being too many.", labels=["guard", "policy"]
        )
        self.failed = GaugeMetricFamily(
            "bascule_guard_snapshot_failed", "1 where a snapshot could not be taken.", labels=["guard"]
        )

    def policy(self, guard: str, policy: str, shown: Mapping[object, object]) -> None:
        """Take in what a policy shows."""
        keyed = {
            key: value
            for key, value in shown.items()
            if isinstance(value, Mapping) and isinstance(value.get("state"), str)
        }
        for key in list(keyed)[: self._most_keys]:
            self._values((), [guard, policy, plain_text(str(key))], keyed[key])
        if len(keyed) > self._most_keys:
            self._left_out.add_metric([guard, policy], float(len(keyed) - self._most_keys))
        self._values((), [guard, policy, ""], {key: value for key, value in shown.items() if key not in keyed})

    def _values(self, path: tuple[str, ...], labels: list[str], shown: Mapping[object, object]) -> None:
        for name, value in shown.items():
            here = (*path, str(name))
            if isinstance(value, Mapping):
                self._values(here, labels, value)
            elif isinstance(value, int | float):
                self._gauge("_".join(here)).add_metric(labels, float(value))
            elif here == ("state",):
                self._states.add_metric(labels, {state: state == value for state in {*STATES, plain_text(str(value))}})

    def _gauge(self, name: str) -> GaugeMetricFamily:
        full = f"bascule_guard_{_metric_word(name)}"
        if full in RESERVED:
            full = f"{full}_number"
        if full not in self._gauges:
            self._gauges[full] = GaugeMetricFamily(full, f"{name}, from the snapshots of guards.", labels=_LABELS)
        return self._gauges[full]

    def families(self) -> Iterator[Metric]:
        """Every metric that has a sample."""
        for family in (*self._gauges.values(), self._states, self._left_out, self.failed):
            if family.samples:
                yield family


def _metric_word(name: str) -> str:
    """The name as it may stand in a metric's; seconds are spelled out, as is the convention."""
    word = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"{word.removesuffix('_s')}_seconds" if word.endswith("_s") else word
