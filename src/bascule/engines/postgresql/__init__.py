"""PostgreSQL, kept by Patroni: one primary, standbys that can take over."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.availability.figures import Figures
from bascule.engines import addresses, decoding
from bascule.engines.postgresql import events, figures, observe, render
from bascule.engines.postgresql import options as own
from bascule.engines.postgresql.options import Options
from bascule.engines.protocols import Dial, EngineEvent, File, Finding, HealthCheck, Observation, Rendering, Site
from bascule.system.model import Component, System


class PostgreSQL:
    """The engine `postgresql`."""

    name = "postgresql"
    summary = "a database with one primary and standbys, kept by Patroni"
    options = Options
    main_command = "postgres"

    def ports(self, component: Component) -> Mapping[str, int]:  # noqa: ARG002 - the protocol's
        """`postgresql` for clients, `patroni` for health checks."""
        return {"postgresql": render.PORT, "patroni": render.REST_PORT}

    def programs(self) -> tuple[str, ...]:
        """PostgreSQL's set, and Patroni."""
        return ("postgres", "patroni")

    def check(self, system: System, name: str) -> tuple[Finding, ...]:
        """Patroni's timing rules, and its store."""
        return own.check(system, name, decoding.of(system.components[name], Options))

    def secrets(self, name: str) -> tuple[str, ...]:
        """Passwords of the superuser, of replication, of pg_rewind and of the applications."""
        return render.secret_keys(name)

    def exports(self, site: Site, name: str) -> Mapping[str, str]:
        """`hosts`, `postgresql`, `patroni`, `user`, `database`, `passfile` (a PGPASSFILE)."""
        component = site.system.components[name]
        chosen = decoding.of(component, Options)
        return {
            **addresses.of_ports(site, name, self.ports(component)),
            "user": chosen.user,
            "database": chosen.database,
            "passfile": str(site.directory / render.passfile(name)),
        }

    def credentials(self, site: Site, name: str) -> tuple[File, ...]:
        """The applications' PGPASSFILE."""
        chosen = decoding.of(site.system.components[name], Options)
        text = render.passfile_text(site.secrets[f"{name}/app"], chosen)
        return (File(path=render.passfile(name), text=text, secret=True),)

    def health(self, component: Component, role: str) -> HealthCheck:  # noqa: ARG002 - the protocol's
        """Patroni's own pages: 200 only while the member has the role, by its lease."""
        path = {"primary": "/primary", "replica": "/replica"}.get(role, "/health")
        return HealthCheck(port=render.REST_PORT, path=path)

    def figures(self, system: System, name: str) -> Figures:
        """How long a failover takes, by Patroni's times and the proxies' checks."""
        return figures.figures(system, name)

    def render(self, site: Site) -> Rendering:
        """Patroni's configuration, secret because it holds passwords."""
        return render.render(site, decoding.of(site.component, Options))

    def observe(self, dial: Dial, timeout_s: float, component: Component | None = None) -> Observation:  # noqa: ARG002 - it needs no options to ask
        """Role, timeline, replication."""
        return observe.observe(dial, timeout_s)

    def cycle_s(self, component: Component) -> float:
        """Patroni's `loop_wait`."""
        return decoding.of(component, Options).loop_wait.seconds

    def event(self, line: str) -> EngineEvent | None:
        """Leases, crashes, promotions, rewinds."""
        return events.event(line)

    def switchover(self, dial: Dial, *, primary: str, target: str, timeout_s: float) -> None:
        """Hand the primary role from one member to another; returns once it is done.

        Raises:
            FaultError: Patroni refused, or did not answer in time.
        """
        observe.switchover(dial, primary=primary, target=target, timeout_s=timeout_s)


engine = PostgreSQL()
