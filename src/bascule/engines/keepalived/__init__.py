"""keepalived: moves the entry's address by VRRP, in which a backup that hears nobody makes itself the holder."""

from __future__ import annotations

from bascule.engines import decoding, registry
from bascule.engines.keepalived import events, render
from bascule.engines.keepalived.options import Options
from bascule.engines.protocols import Companion, EngineEvent, Finding, Site
from bascule.system.model import System


class Keepalived:
    """The provider `keepalived`."""

    name = "keepalived"
    summary = "VRRP: fast and without a store, and with two holders while the hosts cannot hear each other"
    options = Options

    def programs(self) -> tuple[str, ...]:
        """Itself, and this Python, which looks after the member."""
        return ("keepalived", "python")

    def check(self, system: System) -> tuple[Finding, ...]:
        """Its known traps, and times that cannot keep what was promised."""
        return render.check(system, decoding.of_entry(system, Options))

    def companions(self, site: Site) -> tuple[Companion, ...]:
        """The program itself, and what tells it whether the member serves."""
        engine = registry.engine(site.component.engine)
        return render.companions(site, decoding.of_entry(site.system, Options), engine.health(site.component, "any"))

    def cycle_s(self, system: System) -> float:
        """The interval of its adverts."""
        return decoding.of_entry(system, Options).advert.seconds

    def is_ready(self, site: Site, timeout_s: float) -> bool:  # noqa: ARG002 - the protocol's
        """Its member serves: then keepalived is no longer in the state FAULT."""
        try:
            return (site.directory / render.SERVES).read_text(encoding="ascii").strip() == "0"
        except (OSError, ValueError):
            return False

    def hand_over(self, site: Site, target: str, timeout_s: float) -> bool:  # noqa: ARG002 - the protocol's
        """There is no such request: a holder that is stopped says so, and a backup follows at once."""
        return False

    def event(self, line: str) -> EngineEvent | None:
        """Who became holder, and who noticed what."""
        return events.event(line)


provider = Keepalived()
