"""Rules about Kafka's producers and consumers: what an acknowledgement means, and who is thought dead. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.addresses import is_one_server
from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.kafka.properties import Properties, clients
from bascule.audit.rule import rule

_DELIVERY_MS, _LINGER_MS, _REQUEST_MS = 120_000, 0, 30_000
_SESSION_MS, _HEARTBEAT_MS = 45_000, 3_000


@rule(
    "BSC-KAF-004",
    "acknowledged-too-early",
    severity="high",
    technology="kafka",
    breaks=("rpo",),
    why="The write is acknowledged before a second broker has it: when the leader fails, it is lost.",
    fix="Set `acks=all`, the default.",
    source="Kafka documentation, Producer Configs, acks",
)
def acknowledged_too_early(estate: Estate) -> Iterator[Found]:
    """Producers that do not wait for the other copies."""
    for one in clients(estate, "producer"):
        acks = (one.text("acks") or "all").strip()
        if acks in {"0", "1"}:
            who = "nobody" if acks == "0" else "the leader alone"
            what = f"acks={acks} waits for {who}"
            yield Found(place=one.at("acks"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-011",
    "retries-without-idempotence",
    severity="medium",
    technology="kafka",
    breaks=("rpo",),
    why="A write that is sent again may be stored twice, or after a later one, whose newer value it overwrites.",
    fix="Set `enable.idempotence=true`, the default.",
    source="Kafka documentation, Producer Configs, enable.idempotence and max.in.flight.requests.per.connection",
)
def retries_without_idempotence(estate: Estate) -> Iterator[Found]:
    """Producers that repeat themselves unnoticed."""
    for one in clients(estate, "producer"):
        key = "enable.idempotence"
        if (one.text(key) or "true").strip().lower() == "false" and one.whole("retries", 1) != 0:
            place = one.at(key)
            # Idempotence is refused beside other acknowledgements: then this alone would break the producer.
            safe = (one.text("acks") or "all").strip() in {"all", "-1"} and _in_flight(one) <= 5
            edits = (Edit(place=place, text="true"),) if safe else ()
            what = "writes are sent again without idempotence: twice, or in another order"
            yield Found(place=place, what=what, subject=one.subject, edits=edits)


def _in_flight(one: Properties) -> int:
    known = one.whole("max.in.flight.requests.per.connection", 5)
    return 6 if known is None else known


@rule(
    "BSC-KAF-012",
    "delivery-timeout-too-short",
    severity="high",
    technology="kafka",
    breaks=("availability",),
    why="The producer refuses to start with these times, or a write is given up before its first try is over.",
    fix="Keep delivery.timeout.ms >= linger.ms + request.timeout.ms.",
    source="Kafka documentation, Producer Configs, delivery.timeout.ms",
)
def delivery_timeout_too_short(estate: Estate) -> Iterator[Found]:
    """Producers whose times contradict each other."""
    for one in clients(estate, "producer"):
        delivery, linger = one.whole("delivery.timeout.ms", _DELIVERY_MS), one.whole("linger.ms", _LINGER_MS)
        request = one.whole("request.timeout.ms", _REQUEST_MS)
        if delivery is None or linger is None or request is None or delivery >= linger + request:
            continue
        what = f"{delivery} ms to deliver are less than {linger} ms to linger and {request} ms for a request"
        yield Found(place=one.at("delivery.timeout.ms"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-015",
    "session-of-few-heartbeats",
    severity="medium",
    technology="kafka",
    breaks=("availability", "latency"),
    why="One or two late heartbeats end the session: the whole group stops and shares out its partitions again.",
    fix="Keep heartbeat.interval.ms at a third of session.timeout.ms, or lower.",
    source="Kafka documentation, Consumer Configs, heartbeat.interval.ms",
)
def session_of_few_heartbeats(estate: Estate) -> Iterator[Found]:
    """Consumers that are thought dead too soon."""
    for one in clients(estate, "consumer"):
        session = one.whole("session.timeout.ms", _SESSION_MS)
        heartbeat = one.whole("heartbeat.interval.ms", _HEARTBEAT_MS)
        if session is None or heartbeat is None or session >= 3 * heartbeat:
            continue
        key = "session.timeout.ms" if "session.timeout.ms" in one.entries else "heartbeat.interval.ms"
        what = f"a session of {session} ms has room for less than three heartbeats of {heartbeat} ms"
        yield Found(place=one.at(key), what=what, subject=one.subject)


@rule(
    "BSC-KAF-016",
    "offsets-committed-by-time",
    severity="low",
    technology="kafka",
    breaks=("rpo",),
    why="Offsets are committed by the clock: records that were fetched and not yet worked on may count as done.",
    fix="Set `enable.auto.commit=false`, and commit after the work.",
    source="Kafka documentation, Consumer Configs, enable.auto.commit (default: true)",
)
def offsets_by_time(estate: Estate) -> Iterator[Found]:
    """Consumers that do not say themselves what is done."""
    for one in clients(estate, "consumer"):
        key = "enable.auto.commit"
        if one.text("group.id") and (one.text(key) or "true").strip().lower() == "true":
            what = "offsets are committed by time, and not when the records were worked on"
            yield Found(place=one.at(key), what=what, subject=one.subject)


@rule(
    "BSC-KAF-017",
    "one-broker-to-begin-with",
    severity="medium",
    technology="kafka",
    breaks=("availability", "rto"),
    why="While that one broker is down, no client can start or find the others, although they work.",
    fix="List three brokers in `bootstrap.servers`.",
    source="Kafka documentation, Producer and Consumer Configs, bootstrap.servers",
)
def one_bootstrap_server(estate: Estate) -> Iterator[Found]:
    """Clients that know one broker, by its own address or number; a name without one may stand for several."""
    for kind in ("producer", "consumer"):
        for one in clients(estate, kind):
            known = one.listed("bootstrap.servers")
            if len(known) == 1 and is_one_server(known[0]):
                what = f"{known[0]} is the only broker that this {kind} can begin with"
                yield Found(place=one.at("bootstrap.servers"), what=what, subject=one.subject)


RULES = (
    acknowledged_too_early, retries_without_idempotence, delivery_timeout_too_short, session_of_few_heartbeats,
    offsets_by_time, one_bootstrap_server,
)  # fmt: skip
