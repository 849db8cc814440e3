"""How the drill speaks to its load clients, which start in another directory than its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bascule.drill.clients import Client, Clients
from bascule.kernel.errors import LabError
from bascule.measure.plan import Plan, Status


def test_a_client_of_a_run_in_a_relative_directory_is_told_where_its_plan_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    spawned: list[tuple[str, ...]] = []

    def spawn(_host: str, _name: str, argv: tuple[str, ...], **_: object) -> int:
        spawned.append(argv)
        return 1

    lab: Any = SimpleNamespace(world=SimpleNamespace(spawn=spawn))
    plan = Plan(
        client="outside", protocol="http", targets=(), rate_per_s=1, deadline_s=1, records="run/r", status="run/s"
    )
    Client(lab, "client", plan, Path("run")).start()
    assert spawned[0][-1] == str(tmp_path / "run" / "outside.plan.json")


class World:
    """A lab whose load clients end as a test says, and leave the status that it says."""

    def __init__(self, exit_codes: dict[str, int], statuses: dict[str, Status]) -> None:
        self.exit_codes = exit_codes
        self.statuses = statuses
        self.ended: list[str] = []

    def spawn(self, _host: str, name: str, _argv: tuple[str, ...], *, directory: Path, **_: object) -> int:
        client = name.split("-")[1]
        (directory / f"{client}.jsonl").touch()
        (directory / f"{client}.status.json").write_bytes(msgspec.json.encode(self.statuses[client]))
        return 1

    def signal(self, name: str, _number: int) -> None:
        self.ended.append(name.split("-")[1])

    def wait(self, name: str, _limit_s: float) -> int:
        return self.exit_codes.get(name.split("-")[1], 0)

    def run(self, *_: object, **__: object) -> Any:
        return SimpleNamespace(exit_code=0, stdout=b"", stderr=b"")


def client_of(world: World, directory: Path, name: str = "outside") -> Client:
    plan = Plan(
        client=name,
        protocol="http",
        targets=(),
        rate_per_s=1,
        deadline_s=1,
        records=str(directory / f"{name}.jsonl"),
        status=str(directory / f"{name}.status.json"),
    )
    lab: Any = SimpleNamespace(world=world)
    return Client(lab, "client", plan, directory)


RUNNING = Status(client="outside", phase="running")


@pytest.mark.parametrize(
    ("exit_code", "status", "broken", "killed"),
    [
        (0, Status(client="outside", phase="done"), "", False),
        (2, Status(client="outside", phase="done", error="the load client broke"), "the load client broke", False),
        (0, Status(client="outside", phase="done", error="the disk is full"), "the disk is full", False),
        (1, RUNNING, "it ended with exit code 1", False),
        (-9, RUNNING, "", True),
    ],
)
def test_how_a_client_ended_says_whether_its_records_are_to_be_trusted(
    tmp_path: Path, exit_code: int, status: Status, broken: str, *, killed: bool
) -> None:
    client = client_of(World({"outside": exit_code}, {"outside": status}), tmp_path)
    client.start()
    client.stop()
    assert (client.broken, client.killed) == (broken, killed)


def pair(world: World, directory: Path) -> Clients:
    """The two clients of a trial, without the lab that would plan them."""
    clients = object.__new__(Clients)
    clients.outside, clients.pinned = client_of(world, directory), client_of(world, directory, "pinned")
    clients.all = (clients.outside, clients.pinned)
    return clients


def test_a_client_that_ended_before_it_offered_load_is_an_error_and_the_other_is_stopped(tmp_path: Path) -> None:
    gone = Status(client="pinned", phase="done", error="no route to the primary")
    world = World({}, {"outside": RUNNING, "pinned": gone})
    with pytest.raises(LabError, match="client pinned offers no load: no route to the primary"):
        pair(world, tmp_path).__enter__()
    assert world.ended == ["outside", "pinned"]


def test_every_client_is_stopped_even_if_one_does_not_end(tmp_path: Path) -> None:
    class Stuck(World):
        def wait(self, name: str, limit_s: float) -> Any:
            return None if "outside" in name else super().wait(name, limit_s)

    world = Stuck({}, {"outside": RUNNING, "pinned": Status(client="pinned", phase="running")})
    with pytest.raises(LabError, match="client outside did not end"), pair(world, tmp_path):
        pass
    assert world.ended == ["outside", "pinned"]
