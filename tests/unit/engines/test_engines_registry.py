from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from bascule.engines import registry
from bascule.kernel.errors import InputError
from bascule.system.model import Component, System


def test_ours_come_first() -> None:
    assert registry.names()[:5] == ("etcd", "postgresql", "haproxy", "redis", "service")


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean postgresql") as raised:
        registry.engine("postgres")
    assert raised.value.what == "unknown engine 'postgres'"


def test_another_packages_engine_that_cannot_be_loaded_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_addresses", lambda: {"theirs": "no_such_package_here:engine"})
    with pytest.raises(InputError, match="no_such_package_here"):
        registry.engine("theirs")


def test_a_good_system_has_no_findings(system: System) -> None:
    assert registry.check_system(system) == ()


def test_every_finding_has_a_path_in_the_document(with_options: Callable[..., System]) -> None:
    broken = with_options("database", tll="20s", loop_wait="1 parsec")
    odd = Component(engine="haprxy", replicas={"a": 1})
    broken = msgspec.structs.replace(broken, components={**broken.components, "edge": odd})
    found = {each.path: each for each in registry.check_system(broken)}
    assert found["components.database.options.tll"].hint == "did you mean ttl?"
    assert "parsec" in found["components.database.options.loop_wait"].what
    assert found["components.edge.engine"].hint == "did you mean haproxy?"
    assert len(found) == 3


def test_components_that_look_at_each_other_are_checked_once_all_can_be_read(
    with_options: Callable[..., System],
) -> None:
    broken = with_options("pgproxy", listeners={"postgresql": {"port": 5000, "to": "databse", "role": "primary"}})
    (found,) = registry.check_system(broken)
    assert found.path == "components.pgproxy.options.listeners.postgresql.to"
    assert found.hint == "did you mean database?"
