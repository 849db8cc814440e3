"""Garbage never raises anything but an InputError with a place; every valid system that is written reads back equal."""

from __future__ import annotations

import io
import string
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system import SystemFileError, load, parse
from bascule.system import model as m
from bascule.system.plain import plain
from bascule.system.schema import schema
from bascule.system.starter import STARTER

SCHEMA: Any = schema()
PIECES = [
    *"[]{}:,-?#&*!|>'\"%@ \t\n\\",
    ": ",
    "- ",
    "\n  ",
    "&a",
    "*a",
    "!!x",
    "---",
    "...",
    "\ufeff",
    "\u2028",
    "\x00",
]
WORDS = ["system", "regions", "components", "workload", "zones", "replicas", "99%", "30s", "true", "null", "0", "é"]

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True).filter(
    lambda name: name not in {"outside", "client", "probe"}
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)
durations = st.integers(1, 60_000).map(lambda value_ms: Duration.parse(f"{value_ms}ms"))
shares = st.integers(1, 9999).map(lambda parts: Share.parse(f"{parts / 100}%"))
free = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(10**17), 10**17),
        st.floats(-1e300, 1e300),
        texts,
        st.sampled_from(["no", "on", "1:30"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts.filter(bool), inner, max_size=3)),
    max_leaves=8,
)


def refused_or_read(text: str) -> None:
    """Read the text; the only error there may be has a place and prints."""
    try:
        parse(text, "a.yaml")
    except SystemFileError as error:
        refused = error
    else:
        return
    assert all(problem.line >= 1 and problem.column >= 1 for problem in refused.problems)
    assert str(refused).encode("utf-8")


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from([*PIECES, *WORDS]), max_size=40).map("".join)))
def test_garbage_is_refused_with_its_place(text: str) -> None:
    refused_or_read(text)


@settings(deadline=None)
@given(st.data())
def test_a_good_file_with_a_wound_is_refused_or_read(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(STARTER)))
    end = data.draw(st.integers(start, min(start + 40, len(STARTER))))
    wound = data.draw(st.one_of(st.sampled_from([*PIECES, *WORDS]), st.text(max_size=5)))
    refused_or_read(STARTER[:start] + wound + STARTER[end:])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_bytes_are_refused_with_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    try:
        load(path)
    except InputError as error:
        refused = error
    else:
        return
    assert str(refused).startswith(str(path))


@settings(deadline=None)
@given(free, st.data())
def test_any_data_in_the_place_of_any_part_is_refused_or_read(value: object, data: st.DataObject) -> None:
    document: Any = YAML(typ="safe", pure=True).load(STARTER)
    place = document
    while isinstance(place, dict | list) and place:
        steps = list(place) if isinstance(place, dict) else range(len(place))
        step = data.draw(st.sampled_from(steps))
        if not isinstance(place[step], dict | list) or data.draw(st.booleans()):
            place[step] = value
            break
        place = place[step]
    refused_or_read(dumped(document))


def dumped(document: object) -> str:
    """The document as YAML text, in blocks: between brackets the library writes `?0` so that it reads back as 0."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


@st.composite
def workloads(draw: st.DrawFn, components: list[str]) -> m.Workload:
    """A valid workload of either protocol."""
    through = draw(st.sampled_from(components))
    rate = Rate(float(draw(st.integers(1, 20_000))))
    common: dict[str, Any] = {
        "through": through,
        "rate": rate,
        "port": draw(st.sampled_from(["", "http"])),
        "deadline": draw(durations),
        "retries": draw(st.integers(0, 10)),
    }
    if draw(st.booleans()):
        return m.Workload(protocol="postgresql", **common)
    create = m.Operation(
        name="create",
        method="POST",
        path="/tasks",
        body=draw(texts).replace("{", "") + "{number}",
        writes=True,
        capture={"task": "id"},
        weight=draw(st.floats(0.1, 100)),
        idempotent=draw(st.booleans()),
    )
    read = m.Operation(name="read", method="GET", path="/tasks/{task}?of={client}")
    session = draw(st.sampled_from([None, m.Session(path="/session"), m.Session(path="/s", body="[]", token="t")]))
    return m.Workload(operations=(create, read)[: draw(st.integers(1, 2))], session=session, audit="/audit", **common)


@st.composite
def systems(draw: st.DrawFn) -> m.System:
    """A valid system."""
    regions = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    zones = {
        region: tuple(f"{region}-{letter}{at}" for letter in "ab"[: draw(st.integers(1, 2))])
        for at, region in enumerate(regions)
    }
    every = [zone for inner in zones.values() for zone in inner]
    parts = draw(st.lists(st.sampled_from(string.ascii_lowercase), min_size=1, max_size=4, unique=True))
    components = {}
    for at, name in enumerate(parts):
        counts = draw(st.lists(st.integers(0, 9), min_size=len(every), max_size=len(every)))
        counts[0] = max(1, counts[0])
        needs = {
            other: draw(st.sampled_from([m.Need(), m.Need(kind="soft", degrades="slower"), m.Need(degrades="x")]))
            for other in parts[:at]
            if draw(st.booleans())
        }
        options = draw(st.dictionaries(texts.filter(bool), free, max_size=3))
        components[name] = m.Component(
            engine=draw(names), replicas=dict(zip(every, counts, strict=True)), options=options, needs=needs
        )
    delay = draw(durations.filter(lambda one: one.seconds <= 10))
    ends = [*regions, "outside"]
    links = tuple(
        m.Link(between=(ends[at], ends[at + 1]), delay=delay, jitter=delay, loss=draw(shares))
        for at in range(len(regions))
    )
    disruption = st.builds(m.Disruption, rto=durations, rpo=st.one_of(durations, st.just(Duration(0.0))))
    objectives = m.Objectives(
        availability=m.Availability(target=draw(shares), window=Duration(float(draw(st.integers(1, 366)) * 86400))),
        latency=draw(st.one_of(st.none(), st.builds(m.Latency, within=durations, percentile=st.floats(0.1, 99.9)))),
        disruptions=draw(st.dictionaries(st.sampled_from(m.SCOPES), disruption)),
    )
    return m.System(
        system=draw(names),
        objectives=objectives,
        regions={region: m.Region(zones=inner) for region, inner in zones.items()},
        components=components,
        workload=draw(workloads(parts)),
        links=links,
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(system=systems(), full=st.booleans())
def test_a_valid_system_that_is_written_reads_back_equal_and_meets_the_schema(system: m.System, *, full: bool) -> None:
    text = dumped(_without_none(plain(system, defaults=full)))
    assert parse(text, "a.yaml") == system
    document = YAML(typ="safe", pure=True).load(text)
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def _without_none(value: Any) -> Any:
    """The same without optional parts that are not given."""
    return (
        {key: _without_none(one) for key, one in value.items() if one is not None} if isinstance(value, dict) else value
    )
