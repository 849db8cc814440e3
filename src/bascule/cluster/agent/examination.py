"""Everything that an agent's file asks for, made once and thrown away: what cannot be made is told in one error."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bascule.cluster.agent import registry
from bascule.cluster.agent.configuration import Configuration, refusal
from bascule.kernel.errors import BasculeError, InputError
from bascule.system.problems import Finding


def examine(configuration: Configuration) -> None:
    """See that every part can be made. Connects to nothing, and changes nothing.

    Raises:
        InputError: Everything that could not be made, each with its place in the file.
    """
    findings = [finding for path, make in _parts(configuration) if (finding := _tried(path, make)) is not None]
    if findings:
        raise refusal(configuration.path, findings)


def _parts(configuration: Configuration) -> Iterator[tuple[str, Callable[[], object]]]:
    """The path of each part, and how it is made."""
    yield "store", lambda: registry.make_store(configuration.store, configuration.timing.renew_s)
    for name, fence in configuration.fences.items():
        yield f"fences.{name}", lambda fence=fence: registry.make_other(fence)  # type: ignore[misc]  # bound now
    for name, group in configuration.groups.items():
        for place, one in enumerate(group.actuators):
            yield f"groups.{name}.actuators[{place}]", lambda one=one: registry.make_actuator(one)  # type: ignore[misc]  # bound now
        if group.check is not None:
            yield f"groups.{name}.check", lambda one=group.check: registry.make_other(one)  # type: ignore[misc]  # bound now


def _tried(path: str, make: Callable[[], object]) -> Finding | None:
    try:
        make()
    except BasculeError as error:
        within = error.where if isinstance(error, InputError) and error.where else ""
        what = error.what if not within else f"{within}: {error.what}"
        return Finding(path=path, what=what, hint=error.hint)
    return None
