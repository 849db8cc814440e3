"""Where Patroni's rules begin and end: what is next to a weakness, and is none."""

from __future__ import annotations

import pytest

from bascule.audit import yaml_reader
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found
from bascule.audit.patroni import READER, RULES
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system import Positions
from bascule.system.model import Availability, Component, Disruption, Objectives, Region, System, Workload

DUMP = "ttl: 30\nloop_wait: 10\nfailsafe_mode: true\npostgresql: {use_pg_rewind: true}\n"
LOCAL = "scope: s\nname: one\nrestapi: {listen: '10.0.0.1:8008', allowlist: [10.0.0.0/8]}\n"


def promised(rto_s: float, rpo_s: float) -> System:
    return System(
        system="shop",
        objectives=Objectives(
            availability=Availability(target=Share(0.999)),
            disruptions={"host": Disruption(rto=Duration(rto_s), rpo=Duration(rpo_s))},
        ),
        regions={"one": Region(zones=("a",))},
        components={"web": Component(engine="service", replicas={"a": 1})},
        workload=Workload(through="web", rate=Rate(1)),
    )


def audited(*texts: str, system: System | None = None) -> list[tuple[str, Found]]:
    estate = Estate(system=system, positions=Positions("bascule.yaml", {}, {}))
    assert READER.read_yaml is not None
    for number, text in enumerate(texts):
        documents, wrong = yaml_reader.read(SourceFile(f"{number}.yml", text, yaml_reader.lines_of(text)))
        assert wrong == []
        for document in documents:
            found = READER.read_yaml(document)
            assert found is not None
            estate.add(found)
    return [(rule.id.removeprefix("BSC-PAT-"), found) for rule in RULES for found in rule.check(estate)]


def ids(*texts: str, system: System | None = None) -> set[str]:
    return {number for number, _ in audited(*texts, system=system)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DUMP, set()),
        ("ttl: 29\n" + DUMP.partition("\n")[2], {"001"}),
        (DUMP + "retry_timeout: 11\n", {"001"}),
        (DUMP + "retry_timeout: ${R}\n", set()),
        (DUMP + "synchronus_mode: true\n", {"002"}),
        (DUMP + "pause: 'on'\n", {"005"}),
        (DUMP + "pause: 0\n", set()),
        (DUMP.replace("true\n", "'on'\n", 1), set()),
        (DUMP.replace("failsafe_mode: true", "failsafe_mode: 'no'"), {"013"}),
        (DUMP.replace("use_pg_rewind: true", "use_pg_rewind: false"), {"009"}),
        (DUMP.replace("use_pg_rewind: true", "remove_data_directory_on_diverged_timelines: yes"), set()),
        # What the member says counts before what the cluster says.
        (DUMP.replace("true}", "true, parameters: {fsync: off}}"), {"008"}),
        (DUMP.replace("true}", "true, parameters: {synchronous_commit: off}}"), set()),
        (
            DUMP.replace("true}", "true, parameters: {synchronous_commit: remote_apply}}") + "synchronous_mode: on",
            set(),
        ),
        (DUMP.replace("true}", "true, parameters: {synchronous_commit: off}}") + "synchronous_mode: on", {"007"}),
        (DUMP.replace("true}", "true, parameters: {wal_log_hints: off}}"), {"010"}),
        (LOCAL, set()),
        (LOCAL + "etcd3: {hosts: 'a:2379,b:2379,c:2379'}", set()),
        (LOCAL + "etcd3: {hosts: 'a:2379,b:2379'}", set()),
        (LOCAL + "etcd3: {host: 'etcd.example:2379'}", set()),
        (LOCAL + "etcd3: {host: 'https://10.0.0.1:2379'}", {"011"}),
        (LOCAL + "etcd3: {hosts: 'etcd1:2379,etcd2:2379'}", {"011"}),
        (LOCAL + "etcd3: {host: 'http://127.0.0.1:2379'}", set()),
        (LOCAL + "etcd: {srv: example.org}", set()),
        (LOCAL + "etcd: {hosts: [a, b, c, d]}", {"012"}),
        (LOCAL + "consul: {host: '127.0.0.1:8500'}", set()),
        (LOCAL + "raft: {self_addr: 'a:1', partner_addrs: ['b:1']}", {"011"}),
        (LOCAL + "raft: {self_addr: 'a:1', partner_addrs: ['b:1', 'c:1']}", set()),
        (LOCAL + "watchdog: {mode: required}", set()),
        (LOCAL + "watchdog: {mode: off}", {"014"}),
        (LOCAL.replace("allowlist: [10.0.0.0/8]", "verify_client: required"), set()),
        (LOCAL.replace(", allowlist: [10.0.0.0/8]", ""), {"017"}),
        (LOCAL.replace("10.0.0.1:8008', allowlist: [10.0.0.0/8]", "127.0.0.1:8008'"), set()),
        (LOCAL + "postgresql: {parameters: {full_page_writes: 'off'}}", {"008"}),
        (LOCAL + "bootstrap: {initdb: [data-checksums]}", set()),
    ],
)
def test_what_is_a_weakness_and_what_is_none(text: str, expected: set[str]) -> None:
    assert ids(text) == expected


def test_the_member_decides_before_the_cluster() -> None:
    cluster = (
        "bootstrap:\n  dcs:\n    failsafe_mode: true\n    postgresql: {use_pg_rewind: true, parameters: {fsync: off}}\n"
    )
    assert ids(LOCAL + cluster) == {"008"}
    assert ids(LOCAL + cluster + "postgresql: {parameters: {fsync: on}}\n") == set()
    assert ids(LOCAL + cluster.replace("fsync", "wal_log_hints")) == {"010"}
    assert ids(LOCAL + cluster.replace("fsync", "wal_log_hints") + "  initdb: [data-checksums]\n") == set()


def test_times_are_compared_with_what_was_promised() -> None:
    assert ids(DUMP, system=promised(300, 1)) == set()
    assert ids(DUMP, system=promised(299, 1)) == {"003"}
    assert ids(DUMP + "primary_start_timeout: 5", system=promised(30, 1)) == set()
    assert ids(DUMP + "master_start_timeout: 5", system=promised(30, 1)) == set()
    assert ids(DUMP + "primary_start_timeout: 5", system=promised(29, 1)) == {"004"}
    (found,) = [one for number, one in audited(DUMP, system=promised(299, 1)) if number == "003"]
    assert (found.place.file, found.place.line) == ("0.yml", 1)
    assert [place.file for place, _ in found.related] == ["bascule.yaml"]


def test_losing_nothing_needs_synchronous_replication() -> None:
    text = DUMP + "primary_start_timeout: 0\n"
    assert ids(text, system=promised(30, 0)) == {"006"}
    assert ids(text + "synchronous_mode: quorum", system=promised(30, 0)) == set()
    assert ids(text + "standby_cluster: {host: a}", system=promised(30, 0)) == set()
    assert ids(LOCAL, system=promised(30, 0)) == set()


def member(number: int, tags: str = "", dcs: str = "") -> str:
    return f"{LOCAL.replace('one', f'm{number}')}tags: {{{tags}}}\n{dcs}"


STRICT = (
    "bootstrap:\n  dcs:\n    failsafe_mode: true\n    synchronous_mode: true\n    synchronous_mode_strict: true\n"
    "    postgresql: {use_pg_rewind: true}\n"
)


def test_strict_clusters_need_a_standby_more_than_they_wait_for() -> None:
    assert ids(member(1, dcs=STRICT), member(2)) == {"015"}
    assert ids(member(1, dcs=STRICT), member(2), member(3)) == set()
    assert ids(member(1, dcs=STRICT), member(2), member(3, "nosync: true")) == {"015"}
    assert ids(member(1, dcs=STRICT.replace("_strict: true", "_strict: false")), member(2)) == set()
    assert ids(member(1, dcs=STRICT)) == set(), "one file does not tell how many members there are"


def test_somebody_else_must_be_able_to_take_over() -> None:
    assert ids(member(1), member(2, "nofailover: true")) == {"016"}
    assert ids(member(1), member(2), member(3, "nofailover: true")) == set()
    assert ids(member(1), member(2, "failover_priority: 0")) == {"016"}
    assert ids(member(1), member(2, "failover_priority: 1")) == set()
    assert ids(member(1), member(2, "failover_priority: 0, nofailover: false")) == set()
    assert ids(member(1, "nofailover: true")) == set()


def test_members_are_known_by_their_names_or_else_by_their_files() -> None:
    nameless = LOCAL.replace("name: one\n", "")
    assert ids(nameless, nameless + "tags: {nofailover: true}\n") == {"016"}
    (found,) = [one for _, one in audited(nameless + "watchdog: {mode: off}\n")]
    assert found.subject == "member 0.yml"
    (found,) = [one for _, one in audited(LOCAL + "watchdog: {mode: off}\n")]
    assert found.subject == "member one"


def test_a_misspelt_setting_is_told_with_what_was_meant() -> None:
    (found,) = [one for number, one in audited(DUMP + "maximum_lag_on_failver: 1\n") if number == "002"]
    assert found.fix == "did you mean 'maximum_lag_on_failover'?"
    assert found.place.line == 5
    many = DUMP + "".join(f"x{number}: 1\n" for number in range(500))
    assert len([number for number, _ in audited(many) if number == "002"]) == 50


def test_only_the_list_of_raft_is_the_whole_store() -> None:
    ((_, raft),) = audited(LOCAL + "raft: {self_addr: 'a:1', partner_addrs: ['b:1']}")
    ((_, etcd),) = audited(LOCAL + "etcd3: {host: '10.0.0.1:2379'}")
    assert (raft.severity, etcd.severity) == (None, "medium")
    assert "cannot start" in etcd.what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("maximum_lag_on_failover: 1048576", set()),
        ("maximum_lag_on_failover: 1048577", {"018"}),
        ("maximum_lag_on_failover: ${LAG}", set()),
        ("maximum_lag_on_failover: 99999999\nsynchronous_mode: true", set()),
        ("maximum_lag_on_failover: 99999999\nstandby_cluster: {host: a}", set()),
        ("", set()),
    ],
)
def test_bytes_that_may_be_lost_are_held_to_the_rpo(text: str, expected: set[str]) -> None:
    given = f"{DUMP}primary_start_timeout: 0\n{text}\n"
    assert ids(given, system=promised(30, 5)) == expected
    assert "018" not in ids(given)
    assert "018" not in ids(given, system=promised(30, 0)), "an RPO of 0 needs synchronous replication, told by 006"


def test_what_is_read_once_is_not_mended_in_its_file() -> None:
    created = LOCAL + "bootstrap:\n  dcs:\n    postgresql: {use_pg_rewind: true, parameters: {fsync: off}}\n"
    assert {number: found.edits for number, found in audited(created)} == {"013": (), "008": ()}
    kept = "ttl: 30\nloop_wait: 10\npostgresql: {use_pg_rewind: true, parameters: {fsync: off}}\n"
    assert all(found.edits for _, found in audited(kept))
    own = LOCAL + "postgresql: {parameters: {fsync: off}}\n"
    assert all(found.edits for _, found in audited(own))
    settings = {"001", "003", "004", "005", "006", "013", "018"}
    for rule in RULES:
        assert ("patronictl edit-config" in rule.fix) or rule.id.removeprefix("BSC-PAT-") not in settings


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (DUMP.replace("use_pg_rewind: true", "use_pg_rewind: true, use_slot: true"), "use_slots"),
        (LOCAL + "postgresql: {conect_address: 'a:1'}", "connect_address"),
        (LOCAL + "tags: {nofailovr: true}", "nofailover"),
        (LOCAL.replace("allowlist:", "allow_list: [], allowlist:"), "allowlist"),
    ],
)
def test_what_is_nearly_a_setting_is_told_in_every_section(text: str, meant: str) -> None:
    (found,) = [one for number, one in audited(text) if number == "002"]
    assert found.fix == f"did you mean {meant!r}?"


@pytest.mark.parametrize("text", ["tags: {rack: a, site: b}", "postgresql: {wal_e: {command: x}, pgbackrest: {}}"])
def test_names_of_ones_own_are_none_of_ours(text: str) -> None:
    assert ids(LOCAL + text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "ttl: 30\n",
        "a: 1\nb: 2\n",
        "[1, 2]",
        "apiVersion: v1\nkind: ConfigMap\nttl: 30\nloop_wait: 10\n",
        "scope: s\nname: x\n",
    ],
)
def test_what_is_of_something_else_is_left_to_it(text: str) -> None:
    assert READER.read_yaml is not None
    (document,), _ = yaml_reader.read(SourceFile("x.yml", text, yaml_reader.lines_of(text)))
    assert READER.read_yaml(document) is None
