"""Where Kafka's rules begin and end: what is next to a weakness, and is none."""

from __future__ import annotations

import pytest

from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found
from bascule.audit.kafka import READER, RULES

BROKER = """\
node.id=1
log.dirs=/data
default.replication.factor=3
min.insync.replicas=2
auto.create.topics.enable=false
"""
PRODUCER = "bootstrap.servers=a:9092,b:9092\nlinger.ms=0\n"
CONSUMER = "bootstrap.servers=a:9092,b:9092\ngroup.id=g\nenable.auto.commit=false\n"


def audited(*texts: str) -> list[tuple[str, Found]]:
    estate = Estate()
    assert READER.read is not None
    for number, text in enumerate(texts):
        (one,), wrong = READER.read(SourceFile(f"{number}.properties", text, tuple(text.split("\n"))))
        assert wrong == []
        estate.add(one)
    return [(rule.id.removeprefix("BSC-KAF-"), found) for rule in RULES for found in rule.check(estate)]


def ids(*texts: str) -> set[str]:
    return {number for number, _ in audited(*texts)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BROKER, set()),
        (BROKER + "default.replication.factor=2", {"001", "003"}),
        (BROKER + "default.replication.factor=${RF}", set()),
        (BROKER + "min.insync.replicas=1", {"002"}),
        (BROKER + "min.insync.replicas=3", {"003"}),
        (BROKER + "min.insync.replicas=1\ndefault.replication.factor=1", {"001", "002"}),
        (BROKER + "process.roles=controller\ndefault.replication.factor=1", set()),
        (BROKER + "unclean.leader.election.enable= TRUE", {"005"}),
        (BROKER + "unclean.leader.election.enable=false", set()),
        (BROKER + "offsets.topic.replication.factor=2", {"006"}),
        (BROKER + "share.coordinator.state.topic.replication.factor=1", {"006"}),
        (BROKER + "transaction.state.log.min.isr=1", {"007"}),
        (BROKER + "controller.quorum.voters=1@a:1,2@b:1", {"009"}),
        (BROKER + "controller.quorum.voters=1@a:1,2@b:1,3@c:1", set()),
        (BROKER + "controller.quorum.voters=1@a:1,2@b:1,3@c:1,4@d:1", {"010"}),
        (BROKER + "controller.quorum.voters=${VOTERS}", set()),
        (BROKER + "zookeeper.connect=a:2181/kafka", set()),
        (BROKER + "zookeeper.connect=zookeeper.example:2181", set()),
        (BROKER + "zookeeper.connect=10.0.0.1:2181/kafka", {"009"}),
        (BROKER + "zookeeper.connect=zk1:2181,zk2:2181", {"009"}),
        (BROKER + "controller.quorum.bootstrap.servers=10.0.0.1:9093", {"009"}),
        (BROKER + "controller.quorum.bootstrap.servers=controller1:9093,controller2:9093", {"009"}),
        (BROKER + "controller.quorum.bootstrap.servers=controllers.example:9093", set()),
        (BROKER + "controller.quorum.bootstrap.servers=c1:9093,c2:9093,c3:9093", set()),
        (BROKER + "zookeeper.connect=a:2181,b:2181,c:2181/kafka", set()),
        (BROKER.replace("auto.create.topics.enable=false\n", ""), {"013"}),
        (BROKER + "process.roles=broker, controller", {"014"}),
        (BROKER + "log.dirs=/data/a,/tmp/b", {"018"}),
        (BROKER + "log.dirs=/tmpfs/a", set()),
        (BROKER.replace("log.dirs", "log.dir"), set()),
        (BROKER.replace("log.dirs=/data\n", ""), {"018"}),
        (PRODUCER, set()),
        (PRODUCER + "acks=-1", set()),
        (PRODUCER + "acks=1", {"004"}),
        (PRODUCER + "enable.idempotence=false", {"011"}),
        (PRODUCER + "enable.idempotence=false\nretries=0", set()),
        (PRODUCER + "delivery.timeout.ms=29999", {"012"}),
        (PRODUCER + "delivery.timeout.ms=30000", set()),
        (PRODUCER + "delivery.timeout.ms=30000\nlinger.ms=1", {"012"}),
        (PRODUCER + "request.timeout.ms=130000", {"012"}),
        (PRODUCER + "request.timeout.ms=${T}", set()),
        (CONSUMER, set()),
        (CONSUMER + "session.timeout.ms=9000", set()),
        (CONSUMER + "session.timeout.ms=8999", {"015"}),
        (CONSUMER + "heartbeat.interval.ms=15001", {"015"}),
        (CONSUMER.replace("enable.auto.commit=false\n", ""), {"016"}),
        (CONSUMER.replace("group.id=g\nenable.auto.commit=false", "auto.offset.reset=earliest"), set()),
        (CONSUMER.replace("a:9092,b:9092", "kafka-1.example:9092"), {"017"}),
        (CONSUMER.replace("a:9092,b:9092", "10.0.0.1:9092"), {"017"}),
        (CONSUMER.replace("a:9092,b:9092", "kafka1"), {"017"}),
        # Behind a name without a number there may be all of them.
        (CONSUMER.replace("a:9092,b:9092", "kafka.example:9092"), set()),
        (CONSUMER.replace("a:9092,b:9092", "kafka-1:9092,kafka-2:9092"), set()),
    ],
)
def test_what_is_a_weakness_and_what_is_none(text: str, expected: set[str]) -> None:
    assert ids(text) == expected


def test_a_rack_is_missed_where_others_have_theirs() -> None:
    assert ids(BROKER, BROKER.replace("=1", "=2", 1)) == set()
    assert ids(BROKER, BROKER + "broker.rack=a") == {"008"}
    assert ids(BROKER + "broker.rack=b", BROKER + "broker.rack=a") == set()


def test_idempotence_is_switched_on_where_nothing_else_forbids_it() -> None:
    def edits(more: str) -> int:
        return sum(len(found.edits) for _, found in audited(PRODUCER + "enable.idempotence=false\n" + more))

    assert edits("") == 1
    assert edits("acks=1") == 0
    assert edits("max.in.flight.requests.per.connection=5") == 1
    assert edits("max.in.flight.requests.per.connection=6") == 0
