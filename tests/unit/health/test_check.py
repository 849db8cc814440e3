"""What may be registered as a check, and how a mistake is told."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest

from bascule.health import Check, Health, checks
from bascule.kernel.errors import InputError


def fine() -> None:
    return None


async def fine_async() -> None:
    return None


class Callable:
    async def __call__(self) -> bool:
        return True


PROCESS = Check(fine, "process")
DEPENDENCY = Check(fine, "dependency")


@pytest.mark.parametrize("probes", [("live",), ("ready", "live"), ["live", "startup"]])
def test_liveness_refuses_a_check_that_looks_at_a_dependency(probes: Any) -> None:
    health = Health()
    with pytest.raises(InputError, match="'live' must not ask 'database', which looks at a dependency") as refused:
        health.add("database", DEPENDENCY, probes=probes)
    assert "a restart would not mend it" in refused.value.hint
    with pytest.raises(InputError, match="'live' must not ask"):
        health.check("database", looks_at="dependency", probes=probes)(fine)
    health.add("database", PROCESS, probes=probes)


def test_every_ready_made_check_of_another_program_is_refused_for_liveness() -> None:
    made = [
        checks.postgresql("127.0.0.1"),
        checks.postgresql_query(lambda: None),  # type: ignore[arg-type, return-value] # never called
        checks.redis("127.0.0.1"),
        checks.http("http://127.0.0.1/"),
        checks.disk_free("/", least_bytes=1),
    ]
    for number, check in enumerate(made):
        with pytest.raises(InputError, match="'live' must not ask"):
            Health().add(f"check {number}", check, probes=("live",))
    Health().add("worker", checks.Heartbeat(1.0).check(), probes=("live",))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, r"Health\.add\.name: '' must be 1 to 64 printable characters"),
    ({"name": "x" * 65}, r"Health\.add\.name: .* must be 1 to 64"),
    ({"name": "a\nb"}, r"Health\.add\.name: .* must be 1 to 64"),
    ({"name": None}, r"Health\.add\.name: None must be"),
    ({"probes": ()}, r"Health\.add\.probes: \(\) must be one or more of live, ready, startup"),
    ({"probes": ("alive",)}, r"Health\.add\.probes: \('alive',\) must be"),
    ({"probes": "ready"}, r"Health\.add\.probes: 'ready' must be"),
    ({"critical": None}, r"Health\.add\.critical: None must be True or False"),
    ({"timeout_s": 0}, r"Health\.add\.timeout_s: 0 must be a finite number of seconds above 0"),
    ({"timeout_s": -1}, r"Health\.add\.timeout_s: -1 must be"),
    ({"timeout_s": math.inf}, r"Health\.add\.timeout_s: inf must be"),
    ({"timeout_s": math.nan}, r"Health\.add\.timeout_s: nan must be"),
    ({"timeout_s": True}, r"Health\.add\.timeout_s: True must be"),
    ({"timeout_s": "1"}, r"Health\.add\.timeout_s: '1' must be"),
    ({"fresh_s": -0.1}, r"Health\.add\.fresh_s: -0\.1 must be a finite number of seconds of at least 0"),
    ({"check": fine}, r"Health\.add\.check: .* must be a Check that says what it looks at"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_bad_value_is_named_with_its_field_and_its_rule(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Health().add(**{"name": "a", "check": PROCESS, **options})


def test_a_name_is_taken_once() -> None:
    health = Health()
    health.add("a", PROCESS)
    with pytest.raises(InputError, match="that no other check has"):
        health.add("a", PROCESS)


def test_a_check_must_say_what_it_looks_at() -> None:
    with pytest.raises(InputError, match=r"Check\.looks_at: 'network' must be 'process' or 'dependency'"):
        Check(fine, "network")  # type: ignore[arg-type] # that is what is tested
    with pytest.raises(InputError, match=r"Check\.run: 1 must be a function"):
        Check(1, "process")  # type: ignore[arg-type] # that is what is tested


def test_what_must_be_awaited_is_known_whatever_its_shape() -> None:
    assert not Check(fine, "process").is_async
    assert not Check(functools.partial(fine), "process").is_async
    assert Check(fine_async, "process").is_async
    assert Check(functools.partial(fine_async), "process").is_async
    assert Check(Callable(), "process").is_async


def test_an_unknown_probe_is_refused() -> None:
    with pytest.raises(InputError, match="'alive' must be one of live, ready, startup"):
        Health().ask("alive")  # type: ignore[arg-type] # that is what is tested
