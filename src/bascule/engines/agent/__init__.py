"""Bascule's own agent: moves the entry's address by a lease, and only once the old holder has surely lost it."""

from __future__ import annotations

from bascule.engines import decoding, registry
from bascule.engines.agent import control_socket, events, render
from bascule.engines.agent.options import Options
from bascule.engines.protocols import Companion, EngineEvent, Finding, Site
from bascule.system.model import System


class Agent:
    """The provider `bascule`."""

    name = "bascule"
    summary = "a lease in a store: never two holders, and nobody while the store is away"
    options = Options

    def programs(self) -> tuple[str, ...]:
        """This Python."""
        return ("python",)

    def check(self, system: System) -> tuple[Finding, ...]:
        """Numbers that cannot be, and times that cannot keep what was promised."""
        return render.check(system, decoding.of_entry(system, Options))

    def companions(self, site: Site) -> tuple[Companion, ...]:
        """The agent."""
        engine = registry.engine(site.component.engine)
        health = engine.health(site.component, "any")
        return (render.companion(site, decoding.of_entry(site.system, Options), health, registry.engine),)

    def cycle_s(self, system: System) -> float:
        """A third of the lease."""
        return render.ttl(system).seconds / 3

    def is_ready(self, site: Site, timeout_s: float) -> bool:
        """The agent says that it is alive in the store, and may be chosen."""
        return control_socket.is_ready(site.directory, site.member.component, timeout_s)

    def hand_over(self, site: Site, target: str, timeout_s: float) -> bool:
        """Order a switchover, as `bascule cluster switchover` does."""
        control_socket.hand_over(site.directory, site.member.component, target, timeout_s)
        return True

    def event(self, line: str) -> EngineEvent | None:
        """Who became holder, and who noticed what."""
        return events.event(line)


provider = Agent()
