"""The system files that ship are read, and every engine agrees with its part."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bascule.engines import registry
from bascule.system import load_located
from bascule.system.model import System

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = sorted(EXAMPLES.glob("*/*.yaml"))


def read(path: Path) -> System:
    return load_located(path)[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_has_no_mistake(path: Path) -> None:
    assert registry.check_system(read(path)) == ()


def test_every_region_can_be_lost_with_a_majority_left() -> None:
    system = read(EXAMPLES / "taskmanagerpro" / "bascule.yaml")
    votes = {system.region_of(zone): count for zone, count in system.components["consensus"].replicas.items()}
    assert all(2 * (sum(votes.values()) - lost) > sum(votes.values()) for lost in votes.values())


def test_behind_one_address_taskmanagerpro_is_the_same_system() -> None:
    """But for where its edges stand, how users find them, and what can then be promised."""
    folder = EXAMPLES / "taskmanagerpro"
    active, passive = read(folder / "bascule.yaml"), read(folder / "active-passive.yaml")
    assert passive.vip is not None
    assert active.vip is None
    disruptions = passive.objectives.disruptions
    assert set(disruptions) == {"process", "host"}
    edge = passive.components["edge"]
    assert edge.replicas == {"paris-a": 2}
    like_active = msgspec.structs.replace(
        passive,
        objectives=msgspec.structs.replace(
            passive.objectives, disruptions={**active.objectives.disruptions, **disruptions}
        ),
        components={
            **passive.components,
            "edge": msgspec.structs.replace(edge, replicas=active.components["edge"].replicas),
        },
        workload=msgspec.structs.replace(passive.workload, entry=None),
    )
    assert like_active == active


def test_the_controls_differ_in_their_name_and_their_replication_alone() -> None:
    asynchronous = (EXAMPLES / "negative" / "asynchronous.yaml").read_text().split("\nsystem: ")[1].splitlines()
    synchronous = (EXAMPLES / "negative" / "synchronous.yaml").read_text().split("\nsystem: ")[1].splitlines()
    assert len(asynchronous) == len(synchronous)
    differing = [(a.split(), b.split()) for a, b in zip(asynchronous, synchronous, strict=True) if a != b]
    assert [(a[:1], b[:1]) for a, b in differing] == [
        (["asynchronous"], ["synchronous"]),
        (["replication:"], ["replication:"]),
    ]
