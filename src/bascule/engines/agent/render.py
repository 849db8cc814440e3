"""The file of one agent, and how it is run. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable

from bascule.engines import decoding
from bascule.engines.agent.options import Options
from bascule.engines.postgresql import options as postgresql
from bascule.engines.protocols import Companion, Engine, File, Finding, HealthCheck, Launch, Site
from bascule.kernel.quantities import Duration
from bascule.system.model import System
from bascule.system.rules_entry import DEFAULT_TTL

CONFIGURATION = "agent.toml"
CONTROL = "agent.sock"
PATH = "workload.entry.options"
INTERFACE = "eth0"
POSTGRESQL = "postgresql"
_LEAST_CHECK_S = 0.01

Engines = Callable[[str], Engine]


def ttl(system: System) -> Duration:
    """The lease: how long rivals wait after the holder's last sign of life."""
    return (system.vip.ttl if system.vip is not None else None) or DEFAULT_TTL


def check(system: System, options: Options) -> tuple[Finding, ...]:
    """Numbers that cannot be, a store that forgets, and times that cannot keep what was promised."""
    findings: list[Finding] = []
    if not 0 <= options.priority <= 1_000_000 or not 0 <= options.step <= 1000:
        what = f"priorities from {options.priority} down in steps of {options.step}"
        findings.append(Finding(path=f"{PATH}.priority", what=what, hint="0 to 1000000, in steps of up to 1000"))
    if options.check.fall < 1 or options.check.rise < 1:
        findings.append(Finding(path=f"{PATH}.check", what="fall and rise count checks", hint="write 1 or more"))
    findings.extend(
        Finding(path=f"{PATH}.check.{key}", what="too short for any member", hint="10ms or more")
        for key in ("every", "timeout")
        if getattr(options.check, key).seconds < _LEAST_CHECK_S
    )
    return (*findings, *_forgetting(system), *_promises(system, options))


def _forgetting(system: System) -> list[Finding]:
    """A database may keep leases only if what it acknowledged survives its primary."""
    name = system.vip.store if system.vip is not None else ""
    component = system.components[name]
    if component.engine != POSTGRESQL:
        return []
    chosen = decoding.of(component, postgresql.Options)
    if not postgresql.standbys(system, name) or postgresql.synchronous_count(system, name, chosen):
        return []
    what = f"{name} replicates asynchronously: with its primary it may lose a claim, and the address has two holders"
    return [Finding(path="workload.entry.store", what=what, hint="replication: synchronous, or a component with etcd")]


def _promises(system: System, options: Options) -> list[Finding]:
    promised = system.objectives.disruptions
    lease = ttl(system)
    checks_s = options.check.fall * (options.check.every.seconds + options.check.timeout.seconds)
    findings: list[Finding] = []
    if (host := promised.get("host")) is not None and lease > host.rto:
        what = f"rivals wait {lease} for a dead holder; an RTO of {host.rto} is promised for a host"
        findings.append(Finding(path="workload.entry.ttl", what=what, hint="shorten it, or promise less"))
    if (process := promised.get("process")) is not None and checks_s > process.rto.seconds:
        what = f"a member is found dead after up to {checks_s:.2f} s; an RTO of {process.rto} is promised for a process"
        findings.append(Finding(path=f"{PATH}.check", what=what, hint="check more often, or promise less"))
    return findings


def companion(site: Site, options: Options, health: HealthCheck, engines: Engines) -> Companion:
    """An agent that stands for the address as long as its member serves.

    Args:
        site: The member's; `directory` is the agent's.
        options: Of the entry.
        health: How the member is asked whether it serves.
        engines: Gives an engine by its name.
    """
    python = site.programs["python"]
    store = site.system.vip.store if site.system.vip is not None else ""  # only where there is one, is this called
    engine = engines(site.system.components[store].engine)
    toml = File(path=CONFIGURATION, text=_configuration(site, options, health, _store(site, store, engine)))
    return Companion(
        name=site.directory.name,
        files=(toml, *engine.credentials(site, store)),
        launch=Launch(
            argv=(*python.argv, "-m", "bascule", "agent", "run", str(site.directory / CONFIGURATION)),
            environment=dict(python.environment),
            capabilities=("net_admin", "net_raw"),
        ),
    )


def _store(site: Site, name: str, engine: Engine) -> str:
    """The table of the store, nearest member first; a password is in a file of its own."""
    exports = engine.exports(site, name)
    if engine.name != POSTGRESQL:
        return f'kind = "etcd"\nendpoints = {json.dumps(exports["endpoints"].split(","))}'
    words = {key: exports[key] for key in ("database", "user", "passfile")}
    lines = ['kind = "postgresql"', f"hosts = {json.dumps(exports['postgresql'].split(','))}"]
    lines += [f"{key} = {json.dumps(word)}" for key, word in words.items()]
    return "\n".join((*lines, 'tls = "disable"'))


def _configuration(site: Site, options: Options, health: HealthCheck, stored: str) -> str:
    among = [member for member in site.members if member.component == site.member.component]
    me = site.member
    group = f"groups.{json.dumps(me.component)}"
    tested = options.check
    asked = (
        f'kind = "http"\nurl = {json.dumps(f"http://{me.address}:{health.port}{health.path}")}'
        if health.path
        else f'kind = "tcp"\naddress = {json.dumps(f"{me.address}:{health.port}")}'
    )
    # Where the agent starts: the paths of sockets are short, and those of directories may be long.
    return f"""\
[agent]
cluster = {json.dumps(site.system.system)}
name = {json.dumps(me.name)}
ttl = "{ttl(site.system)}"
control = "{CONTROL}"

[store]
{stored}

[{group}]
priority = {max(0, options.priority - options.step * among.index(me))}
preempt_after = "{options.preempt_after}"
hold_down = "{options.hold_down}"

[{group}.check]
{asked}
every = "{tested.every}"
timeout = "{tested.timeout}"
fall = {tested.fall}
rise = {tested.rise}

[[{group}.actuators]]
kind = "vip"
address = "{site.vip}/24"
interface = "{INTERFACE}"
"""
