"""Where the rules about Compose files begin and end: what is next to a weakness, and is none."""

from __future__ import annotations

import pytest

from bascule.audit import yaml_reader
from bascule.audit.compose import READER, RULES
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found
from bascule.kernel.quantities import Rate, Share
from bascule.system import Positions
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

WEB = "{image: 'a:1', restart: always, mem_limit: 1g, healthcheck: {test: x}, logging: {driver: local}%s}"
DATABASE = WEB.replace("a:1", "registry.example:5000/x/postgres:17-alpine").replace("%s", ", stop_grace_period: 1m%s")
DATA = ", volumes: ['d:/var/lib/postgresql/data']"


def audited(*services: str) -> list[tuple[str, Found]]:
    text = "services:\n" + "".join(f"  s{number}: {body}\n" for number, body in enumerate(services))
    (document,), wrong = yaml_reader.read(SourceFile("compose.yaml", text, yaml_reader.lines_of(text)))
    assert wrong == []
    assert READER.read_yaml is not None
    estate = Estate()
    found = READER.read_yaml(document)
    assert found is not None
    estate.add(found)
    return [(rule.id.removeprefix("BSC-CMP-"), one) for rule in RULES for one in rule.check(estate)]


def ids(*services: str) -> set[str]:
    return {number for number, _ in audited(*services)}


def web(more: str = "") -> str:
    return WEB % more


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (web(), set()),
        (web().replace("restart: always, ", ""), {"001"}),
        (web().replace("always", "'no'"), set()),
        (web().replace("restart: always", "deploy: {restart_policy: {condition: any}}"), set()),
        (web().replace("restart: always", "deploy: {restart_policy: {condition: none}}"), {"001"}),
        (web().replace("restart: always", "deploy: {mode: global}"), set()),
        (web().replace("restart: always", "extends: {service: b}"), set()),
        (web().replace("restart: always", "profiles: [tools]"), set()),
        (web().replace("healthcheck: {test: x}", "init: true"), {"002"}),
        (web().replace("{test: x}", "{disable: true}"), {"002"}),
        (web().replace("{test: x}", "{test: ['NONE']}"), {"002"}),
        (web(", depends_on: [b]"), {"003"}),
        (web(", depends_on: {b: {condition: service_healthy}}"), set()),
        (web(", depends_on: {b: {required: false}}"), {"003"}),
        (web().replace("a:1", "a"), {"005"}),
        (web().replace("a:1", "registry.example:5000/a"), {"005"}),
        (web().replace("a:1", "registry.example:5000/a:1"), set()),
        (web().replace("a:1", "a:latest"), {"005"}),
        (web().replace("a:1", "a@sha256:0"), set()),
        (web().replace("a:1", "a:${TAG:-latest}"), set()),
        (web(", build: .").replace("a:1", "a"), set()),
        (DATABASE % DATA, set()),
        (DATABASE % "", {"006"}),
        (DATABASE % ", volumes: ['./init:/docker-entrypoint-initdb.d:ro']", {"006"}),
        (DATABASE % ", volumes: [{type: volume, source: d, target: /var/lib/postgresql}]", set()),
        (DATABASE % ", volumes: [{type: tmpfs, target: /var/lib/postgresql/data}]", {"006"}),
        (DATABASE % ", volumes: [/var/lib/postgresql/data]", set()),
        (DATABASE % ", volumes: ['d:/var/lib/postgresql-other']", {"006"}),
        (DATABASE % ", volumes: ['d:/var/lib/']", set()),
        (DATABASE % ", volumes: ['d:/db'], environment: {PGDATA: /db/17}", set()),
        (DATABASE % ", volumes: ['d:/db'], environment: ['PGDATA=/db/17', X]", set()),
        (DATABASE % ", volumes: ['d:/db'], environment: {PGDATA: /data}", {"006"}),
        (DATABASE % ", volumes: ['C:\\\\data:/var/lib/postgresql/data:rw']", set()),
        (web().replace("mem_limit: 1g", "init: true"), {"007"}),
        (web().replace("mem_limit: 1g", "deploy: {resources: {limits: {memory: 1g}}}"), set()),
        (web(", stop_grace_period: 9s"), {"008"}),
        (web(", stop_grace_period: 1m30s"), set()),
        (web(", stop_grace_period: soon"), set()),
        ((DATABASE % DATA).replace("1m", "29s"), {"008"}),
        ((DATABASE % DATA).replace("stop_grace_period: 1m", "init: true"), {"008"}),
        (web(", deploy: {replicas: 2}, ports: ['80:80']"), {"009"}),
        (web(", scale: 2, ports: ['127.0.0.1:80:80/tcp']"), {"009"}),
        (web(", deploy: {replicas: 2}, ports: [{target: 80, published: '80'}]"), {"009"}),
        (web(", deploy: {replicas: 2}, ports: ['80-81:80']"), set()),
        (web(", deploy: {replicas: 2}, ports: ['80']"), set()),
        (web(", deploy: {replicas: 2}, ports: [{target: 80}]"), set()),
        (web(", deploy: {replicas: 2}, container_name: a"), {"009"}),
        (web(", deploy: {replicas: 2, mode: replicated}, ports: ['80:80']"), set()),
        (web(", ports: ['80:80'], container_name: a"), set()),
        (web().replace("driver: local", "driver: json-file"), {"010"}),
        (web().replace("driver: local", "options: {max-size: 10m}"), set()),
        (web().replace("driver: local", "driver: syslog"), set()),
    ],
)
def test_what_is_a_weakness_and_what_is_none(service: str, expected: set[str]) -> None:
    assert ids(service) == expected


def test_what_others_wait_for_to_end_is_no_server() -> None:
    task = "{image: a}"
    waiting = web(", depends_on: {s0: {condition: service_completed_successfully}}")
    assert ids(task, waiting) == set()
    assert ids(task, web()) == {"001", "002", "005", "007", "010"}


def merged(**files: str) -> set[str]:
    estate = Estate()
    assert READER.read_yaml is not None
    for name, body in files.items():
        text = f"services:\n  a: {body}\n  b: {web()}\n"
        path = name.replace("_", "/") + ".yml"
        (document,), _ = yaml_reader.read(SourceFile(path, text, yaml_reader.lines_of(text)))
        estate.add(READER.read_yaml(document))
    return {rule.id.removeprefix("BSC-CMP-") for rule in RULES for _ in rule.check(estate)}


def test_files_of_one_directory_are_merged_and_what_one_says_is_not_missed_in_the_other() -> None:
    base, more = "{image: 'a:1'}", web().replace("image: 'a:1', ", "")
    missing = {"001", "002", "007", "010"}
    assert merged(shop_compose=base) == missing
    assert merged(shop_compose=base, shop_override=more) == set()
    assert merged(shop_compose=base, other_override=more) == missing
    assert merged(shop_compose=base, shop_override="{scale: 2, ports: ['80:80']}") == missing
    postgres = (DATABASE % "").replace("17-alpine", "17")
    assert merged(shop_compose=postgres) == {"006"}
    assert merged(shop_compose=postgres, shop_override="{volumes: ['d:/var/lib/postgresql/data']}") == set()


def described(replicas: int, *services: str) -> set[str]:
    estate = Estate(positions=Positions("bascule.yaml", {}, {}))
    estate.system = System(
        system="shop",
        objectives=Objectives(availability=Availability(target=Share(0.999))),
        regions={"one": Region(zones=("x",))},
        components={"web": Component(engine="service", replicas={"x": replicas})},
        workload=Workload(through="web", rate=Rate(1)),
    )
    text = "services:\n" + "".join(f"  {one}\n" for one in services)
    (document,), _ = yaml_reader.read(SourceFile("compose.yaml", text, yaml_reader.lines_of(text)))
    assert READER.read_yaml is not None
    estate.add(READER.read_yaml(document))
    return {rule.id.removeprefix("BSC-CMP-") for rule in RULES for _ in rule.check(estate)}


def test_replicas_are_compared_with_the_systems() -> None:
    assert described(2, f"web: {web()}") == {"004"}
    assert described(1, f"web: {web()}") == set()
    assert described(2, f"web: {web(', scale: 2')}") == set()
    assert described(2, f"web: {web(', deploy: {replicas: 1}')}") == {"004"}
    assert described(2, f"web: {web()}", f"web-2: {web()}") == set()
    assert described(2, f"other: {web()}") == set()


def stays_down(text: str) -> list[Found]:
    (document,), _ = yaml_reader.read(SourceFile("compose.yaml", text, yaml_reader.lines_of(text)))
    assert READER.read_yaml is not None
    estate = Estate()
    estate.add(READER.read_yaml(document))
    (rule,) = [one for one in RULES if one.id == "BSC-CMP-001"]
    return list(rule.check(estate))


def test_what_may_be_a_job_is_not_started_again_unasked() -> None:
    (job,) = stays_down("services:\n  a:\n    image: a:1\n    command: [migrate]\n")
    assert (job.edits, job.severity) == ((), "medium")
    for asked in ("ports: ['80:80']", "expose: [80]", "healthcheck: {test: x}"):
        (server,) = stays_down(f"services:\n  a:\n    image: a:1\n    {asked}\n")
        assert server.edits
        assert server.severity is None


def test_a_restart_policy_is_added_where_services_are_written_as_lines() -> None:
    ((edit,),) = [found.edits for found in stays_down("services:\n  a:\n    image: a:1\n    expose: [80]\n")]
    assert (edit.place.line, edit.place.column, edit.text) == (3, 5, "restart: unless-stopped\n    ")
    assert all(not found.edits for number, found in audited("{image: 'a:1'}") if number == "001")


@pytest.mark.parametrize(
    "text", ["services: {a: {x: 1}}", "services: [a]", "apiVersion: v1\nservices: {a: {image: b}}", "a: {image: b}"]
)
def test_what_is_of_something_else_is_left_to_it(text: str) -> None:
    assert READER.read_yaml is not None
    (document,), _ = yaml_reader.read(SourceFile("x.yml", text, yaml_reader.lines_of(text)))
    assert READER.read_yaml(document) is None
