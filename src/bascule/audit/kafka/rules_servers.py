"""Rules about Kafka's brokers and controllers: how many copies there are, and who decides. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.addresses import is_one_server
from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.kafka.properties import Properties, brokers, servers
from bascule.audit.rule import rule

_INTERNAL = (
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)


@rule(
    "BSC-KAF-001",
    "topics-with-too-few-copies",
    severity="high",
    technology="kafka",
    breaks=("rpo", "availability"),
    why="Topics that do not say otherwise have this many copies: with one, the loss of a broker loses its data.",
    fix="Set `default.replication.factor=3`, with three brokers or more.",
    source="Kafka documentation, Broker Configs, default.replication.factor (default: 1)",
)
def too_few_copies(estate: Estate) -> Iterator[Found]:
    """Brokers whose topics have less than three copies."""
    for one in brokers(estate):
        copies = one.whole("default.replication.factor", 1)
        if copies is not None and copies < 3:
            given = "" if "default.replication.factor" in one.entries else " (the default)"
            what = f"new topics have {copies} cop{'y' if copies == 1 else 'ies'}{given}"
            yield Found(place=one.at("default.replication.factor"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-002",
    "acknowledged-by-the-leader-alone",
    severity="high",
    technology="kafka",
    breaks=("rpo",),
    why="While the other copies lag, a write with acks=all is acknowledged by the leader alone, and lost with it.",
    fix="Set `min.insync.replicas=2`, with a replication factor of 3.",
    source="Kafka documentation, Broker Configs, min.insync.replicas (default: 1)",
)
def acknowledged_alone(estate: Estate) -> Iterator[Found]:
    """Brokers that acknowledge what only one of them has."""
    for one in brokers(estate):
        least = one.whole("min.insync.replicas", 1)
        if least is not None and least < 2:
            given = "" if "min.insync.replicas" in one.entries else " (the default)"
            what = f"min.insync.replicas is {least}{given}: acks=all may mean one copy"
            yield Found(place=one.at("min.insync.replicas"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-003",
    "one-failure-stops-writes",
    severity="high",
    technology="kafka",
    breaks=("availability",),
    why="As many copies must be in sync as there are: when one broker fails or restarts, writes with acks=all fail.",
    fix="Keep `min.insync.replicas` one below the replication factor: 2 of 3.",
    source="Kafka documentation, Broker Configs, min.insync.replicas",
)
def one_failure_stops_writes(estate: Estate) -> Iterator[Found]:
    """Brokers that may not lose a single copy."""
    for one in brokers(estate):
        copies, least = one.whole("default.replication.factor", 1), one.whole("min.insync.replicas", 1)
        if copies is not None and least is not None and least >= copies and least > 1:
            what = f"{least} of {copies} copies must be in sync, so the loss of one broker stops writes"
            yield Found(place=one.at("min.insync.replicas"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-005",
    "unclean-leader-election",
    severity="critical",
    technology="kafka",
    breaks=("rpo",),
    why="A copy that lags may become the leader: everything acknowledged that it does not have is gone for good.",
    fix="Set `unclean.leader.election.enable=false`, the default.",
    source="Kafka documentation, Broker Configs, unclean.leader.election.enable",
)
def unclean_election(estate: Estate) -> Iterator[Found]:
    """Brokers that prefer to go on over what they acknowledged."""
    for one in servers(estate):
        key = "unclean.leader.election.enable"
        if (one.text(key) or "").strip().lower() == "true":
            place = one.at(key)
            what = "a copy that lags may become the leader, and acknowledged writes are lost"
            yield Found(place=place, what=what, subject=one.subject, edits=(Edit(place=place, text="false"),))


@rule(
    "BSC-KAF-006",
    "internal-topics-with-too-few-copies",
    severity="high",
    technology="kafka",
    breaks=("availability", "rpo"),
    why="When the broker with the only copy fails, groups cannot commit or resume, and transactions cannot end.",
    fix="Set it to 3, or leave it out: 3 is the default.",
    source="Kafka documentation, Broker Configs, offsets.topic.replication.factor (default: 3)",
)
def internal_topics(estate: Estate) -> Iterator[Found]:
    """Brokers whose own topics have less than three copies."""
    for one in brokers(estate):
        for key in _INTERNAL:
            copies = one.whole(key, 3)
            if copies is not None and copies < 3:
                what = f"{key} is {copies}: consumer groups and transactions depend on too few brokers"
                yield Found(place=one.at(key), what=what, subject=one.subject)


@rule(
    "BSC-KAF-007",
    "transactions-on-one-copy",
    severity="high",
    technology="kafka",
    breaks=("rpo",),
    why="The state of a transaction may be on one broker alone: with that broker, commits are forgotten.",
    fix="Set `transaction.state.log.min.isr=2`, or leave it out: 2 is the default.",
    source="Kafka documentation, Broker Configs, transaction.state.log.min.isr (default: 2)",
)
def transactions_on_one_copy(estate: Estate) -> Iterator[Found]:
    """Brokers that acknowledge a transaction's end with one copy of it."""
    for one in brokers(estate):
        least = one.whole("transaction.state.log.min.isr", 2)
        if least is not None and least < 2:
            what = f"transaction.state.log.min.isr is {least}: commits may be on one broker alone"
            yield Found(place=one.at("transaction.state.log.min.isr"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-008",
    "broker-without-rack",
    severity="medium",
    technology="kafka",
    breaks=("availability", "rpo"),
    why="Kafka does not know which brokers fail together, and may put all copies of a partition into one zone.",
    fix="Set `broker.rack` to the broker's zone, on all brokers.",
    source="Kafka documentation, Operations, Balancing replicas across racks; Broker Configs, broker.rack",
)
def broker_without_rack(estate: Estate) -> Iterator[Found]:
    """Brokers of systems with several zones, or beside brokers that say where they are."""
    zones = len(estate.system.zones) if estate.system is not None else 0
    given = brokers(estate)
    others = any(one.text("broker.rack") for one in given)
    for one in given:
        if not one.text("broker.rack") and (zones > 1 or others):
            because = f"the system has {zones} zones" if zones > 1 else "other brokers have theirs"
            what = f"broker.rack is missing, and {because}"
            yield Found(place=one.at("broker.rack"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-009",
    "quorum-survives-no-loss",
    severity="high",
    technology="kafka",
    breaks=("availability", "rto"),
    why="A majority of one or two is all of them: when one is lost, no leader can be elected, and no topic be changed.",
    fix="Run three controllers (or ZooKeeper servers), in three places, and list all of them.",
    source="Kafka documentation, KRaft, Deploying Considerations; KIP-853; ZooKeeper Administrator's Guide",
)
def quorum_survives_no_loss(estate: Estate) -> Iterator[Found]:
    """Controllers of one or two; a list to begin with tells less than a list of voters."""
    for one, key, voters in _quorums(estate):
        if len(voters) < 3:
            what = f"{key} has {len(voters)} member{'s' if len(voters) > 1 else ''}: none of them may be lost"
            yield Found(place=one.at(key), what=what, subject=one.subject)
    key = "controller.quorum.bootstrap.servers"
    for one in servers(estate):
        known = one.listed(key)
        if 0 < len(known) < 3 and not one.text("controller.quorum.voters") and all(map(is_one_server, known)):
            count = f"{len(known)} controller{'s' if len(known) > 1 else ''}"
            what = f"{key} names {count}: if there are no others, none may be lost, and else none to begin with"
            yield Found(place=one.at(key), what=what, subject=one.subject, severity="medium")


@rule(
    "BSC-KAF-010",
    "quorum-of-an-even-number",
    severity="low",
    technology="kafka",
    breaks=("availability",),
    why="A majority of four is three: four survive the loss of one, as three do, and one of four fails more often.",
    fix="Run three or five.",
    source="Kafka documentation, KRaft, Deploying Considerations",
)
def quorum_of_even_number(estate: Estate) -> Iterator[Found]:
    """Controllers with one that helps nobody."""
    for one, key, voters in _quorums(estate):
        if len(voters) > 2 and len(voters) % 2 == 0:
            what = f"{key} has {len(voters)} members, which survive no more than {len(voters) - 1} do"
            yield Found(place=one.at(key), what=what, subject=one.subject)


def _quorums(estate: Estate) -> Iterator[tuple[Properties, str, list[str]]]:
    for one in servers(estate):
        for key in ("controller.quorum.voters", "zookeeper.connect"):
            # Of ZooKeeper, a path may follow the last host.
            voters = [each.partition("/")[0] for each in one.listed(key)]
            # A name may stand for all servers of ZooKeeper; each voter has a number of its own.
            unknown = key == "zookeeper.connect" and len(voters) < 3 and not all(map(is_one_server, voters))
            if voters and not unknown and not any("$" in each for each in voters):
                yield one, key, voters


@rule(
    "BSC-KAF-013",
    "topics-by-accident",
    severity="low",
    technology="kafka",
    breaks=("availability",),
    why="A misspelt name makes a new topic with the defaults, and what is written to it is read by nobody.",
    fix="Set `auto.create.topics.enable=false`, and create topics on purpose.",
    source="Kafka documentation, Broker Configs, auto.create.topics.enable (default: true)",
)
def topics_by_accident(estate: Estate) -> Iterator[Found]:
    """Brokers that make a topic of every name."""
    for one in brokers(estate):
        key = "auto.create.topics.enable"
        if (one.text(key) or "true").strip().lower() == "true":
            what = "any name that a client uses becomes a topic"
            yield Found(place=one.at(key), what=what, subject=one.subject)


@rule(
    "BSC-KAF-014",
    "broker-and-controller-in-one",
    severity="medium",
    technology="kafka",
    breaks=("availability", "latency"),
    why="A broker that is overloaded or restarts takes its controller along; neither is scaled without the other.",
    fix="Run controllers of their own: `process.roles=controller`, and `process.roles=broker` for the others.",
    source="Kafka documentation, KRaft, Process Roles: combined mode is not recommended in critical environments",
)
def broker_and_controller(estate: Estate) -> Iterator[Found]:
    """Servers that are both."""
    for one in servers(estate):
        if set(one.listed("process.roles")) >= {"broker", "controller"}:
            what = "one process is broker and controller, and both fail together"
            yield Found(place=one.at("process.roles"), what=what, subject=one.subject)


@rule(
    "BSC-KAF-018",
    "data-below-tmp",
    severity="high",
    technology="kafka",
    breaks=("rpo", "availability"),
    why="What stands below /tmp is removed at a restart of the host, or after some days: the broker comes back empty.",
    fix="Set `log.dirs` to directories on disks of their own.",
    source="Kafka documentation, Broker Configs, log.dirs, log.dir (default: /tmp/kafka-logs); tmpfiles.d(5)",
)
def data_below_tmp(estate: Estate) -> Iterator[Found]:
    """Servers whose data does not outlive their host's next start."""
    for one in servers(estate):
        key = "log.dirs" if "log.dirs" in one.entries else "log.dir"
        directories = one.listed(key) if key in one.entries else ["/tmp/kafka-logs"]  # noqa: S108 - Kafka's default
        found = [each for each in directories if each.startswith(("/tmp/", "/var/tmp/", "/dev/shm/"))]  # noqa: S108 - sought, not used
        if found:
            what = f"data is kept in {found[0]}, which does not outlive a restart of the host"
            yield Found(place=one.at(key), what=what, subject=one.subject)


RULES = (
    too_few_copies, acknowledged_alone, one_failure_stops_writes, unclean_election, internal_topics,
    transactions_on_one_copy, broker_without_rack, quorum_survives_no_loss, quorum_of_even_number, topics_by_accident,
    broker_and_controller, data_below_tmp,
)  # fmt: skip
