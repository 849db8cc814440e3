"""The configuration of one HAProxy. Pure.

Source: HAProxy 2.8 configuration manual: 4.2 (`option httpchk`, `option redispatch`, `retry-on`), 5.2 (server options).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bascule.engines.addresses import is_path, ms
from bascule.engines.decoding import closest
from bascule.engines.haproxy.options import Listener, Options
from bascule.engines.protocols import Engine, File, Finding, HealthCheck, Launch, Member, Rendering, Roled, Site
from bascule.system.model import System

CONFIGURATION = "haproxy.cfg"
RETRY_MS = 100
STATS = "stats"

Engines = Callable[[str], Engine]
"""Gives the engine of a name; handed in, so that rendering stays a function of its arguments."""


def check(system: System, name: str, options: Options, engines: Engines) -> tuple[Finding, ...]:
    """Listeners that lead nowhere, ports used twice, checks that cannot work."""
    path = f"components.{name}.options"
    findings: list[Finding] = []
    if not options.listeners:
        findings.append(Finding(path=f"{path}.listeners", what="a proxy without a listener", hint="name at least one"))
    taken: dict[int, str] = {options.stats: STATS}
    for key, listener in options.listeners.items():
        where = f"{path}.listeners.{key}"
        if not key.isascii() or not key.replace("-", "_").isidentifier() or key == STATS:
            findings.append(
                Finding(path=where, what=f"{key!r} cannot name a listener", hint="letters, digits, _, -; not stats")
            )
        if listener.port in taken:
            what = f"port {listener.port} is used by {taken[listener.port]} too"
            findings.append(Finding(path=f"{where}.port", what=what, hint="give each its own"))
        taken[listener.port] = key
        findings += _check_target(system, name, where, listener, engines)
    findings += _check_numbers(path, options, tuple(taken))
    return tuple(findings)


def _check_target(system: System, name: str, where: str, listener: Listener, engines: Engines) -> list[Finding]:
    if listener.to not in system.components:
        hint = closest(listener.to, tuple(system.components))
        return [Finding(path=f"{where}.to", what=f"there is no component {listener.to!r}", hint=hint)]
    if listener.to == name:
        return [Finding(path=f"{where}.to", what="a proxy in front of itself", hint="name another component")]
    target = engines(system.components[listener.to].engine)
    if listener.role != "any" and not isinstance(target, Roled):
        what = f"{listener.to} has no {listener.role}: members of {target.name} have no roles"
        return [Finding(path=f"{where}.role", what=what, hint="leave role out")]
    if listener.health and not is_path(listener.health):
        hint = "begin it with /, without spaces"
        return [Finding(path=f"{where}.health", what=f"{listener.health!r} is not a path", hint=hint)]
    return []


def _check_numbers(path: str, options: Options, ports: tuple[int, ...]) -> list[Finding]:
    findings = [
        Finding(path=path, what=f"{port} is not a port that a plain user may open", hint="1024 to 65535")
        for port in ports
        if not 1024 <= port <= 65535
    ]
    if options.check.fall < 1 or options.check.rise < 1:
        findings.append(Finding(path=f"{path}.check", what="fall and rise count checks", hint="write 1 or more"))
    findings.extend(
        Finding(path=f"{path}.check.{key}", what="too short for any server", hint="10ms or more")
        for key in ("every", "timeout")
        if getattr(options.check, key).seconds < 0.01
    )
    if options.maxconn < 10:
        findings.append(Finding(path=f"{path}.maxconn", what=f"{options.maxconn} is too few", hint="10 or more"))
    return findings


def _global(options: Options, trip_ms: int) -> str:
    """Settings for all; a check or connection across the slowest link is never cut short by the distance alone."""
    timeouts = options.timeouts
    least_ms = trip_ms * 3 // 2
    every_ms = max(ms(options.check.every), least_ms)
    return f"""\
global
    maxconn {options.maxconn}
    nbthread 1
    hard-stop-after 5s
    # No log line for a request: those are the client's to count. Servers going down and up show on standard error.

defaults
    maxconn {options.maxconn}
    timeout connect {max(ms(timeouts.connect), least_ms)}ms
    timeout queue {ms(timeouts.queue)}ms
    timeout check {max(ms(options.check.timeout), least_ms)}ms
    default-server inter {every_ms}ms fastinter {max(RETRY_MS, least_ms)}ms downinter {every_ms}ms \
fall {options.check.fall} rise {options.check.rise} on-marked-down shutdown-sessions
"""


def _mode(listener: Listener, options: Options) -> list[str]:
    timeouts = options.timeouts
    if listener.mode == "tcp":
        idle = ms(timeouts.idle)
        return [
            "mode tcp",
            "balance leastconn",
            f"timeout client {idle}ms",
            f"timeout server {idle}ms",
            "option clitcpka",
            "option srvtcpka",
            "retries 2",
            "option redispatch 1",
        ]
    return [
        "mode http",
        "balance roundrobin",
        f"timeout client {ms(timeouts.client)}ms",
        f"timeout server {ms(timeouts.server)}ms",
        f"timeout http-request {ms(timeouts.client)}ms",
        "option forwardfor",
        "retries 2",
        "option redispatch 1",
        "# What reached no server may go to another; what may have been carried out only if it changes nothing.",
        "retry-on conn-failure empty-response",
        "http-request disable-l7-retry unless METH_GET",
    ]


def _check_lines(listener: Listener, health: HealthCheck) -> list[str]:
    path = listener.health or health.path
    if not path:
        return ["option tcp-check"]
    return [
        "option httpchk",
        f"http-check send meth GET uri {path} ver HTTP/1.1 hdr Host member",
        "http-check expect status 200",
    ]


def _servers(site: Site, listener: Listener, port: int, health: HealthCheck) -> list[str]:
    members = site.of(listener.to)
    near = [member for member in members if member.region == site.member.region]

    def spare(member: Member) -> str:
        # One primary at a time: whoever it is gets the traffic, however far away.
        return " backup" if listener.role != "primary" and near and member not in near else ""

    return [f"server {each.name} {each.address}:{port} check port {health.port}{spare(each)}" for each in members]


def _listen(site: Site, name: str, listener: Listener, options: Options, engines: Engines) -> str:
    component = site.system.components[listener.to]
    target = engines(component.engine)
    port = next(iter(target.ports(component).values()))
    health = target.health(component, listener.role)
    lines = [
        f"bind {site.member.address}:{listener.port}",
        # Wherever that address is now: ip_nonlocal_bind lets it be listened on before it comes.
        *([f"bind {site.vip}:{listener.port}"] if site.vip else []),
        *_mode(listener, options),
        *_check_lines(listener, health),
        *(["option allbackups"] if listener.role != "primary" else []),
        *_servers(site, listener, port, health),
    ]
    return f"listen {name}\n" + "".join(f"    {line}\n" for line in lines)


def _stats(site: Site, options: Options) -> str:
    return f"""\
listen {STATS}
    bind {site.member.address}:{options.stats}
    mode http
    timeout client 5s
    timeout server 5s
    monitor-uri /health
    stats enable
    stats uri /stats
"""


def render(site: Site, options: Options, engines: Engines) -> Rendering:
    """One process in the foreground; servers of its own region first, the others only once none of those is left."""
    reached = [site.member.component, *(listener.to for listener in options.listeners.values())]
    sections = [
        _global(options, math.ceil(site.system.round_trip_s(reached) * 1000)),
        *(_listen(site, name, listener, options, engines) for name, listener in options.listeners.items()),
        _stats(site, options),
    ]
    program = site.programs["haproxy"]
    listening = ", ".join(f"{name} -> {each.to} ({each.role})" for name, each in options.listeners.items())
    return Rendering(
        files=(File(path=CONFIGURATION, text="\n".join(sections)),),
        launch=Launch(
            argv=(*program.argv, "-db", "-f", str(site.directory / CONFIGURATION)),
            environment=dict(program.environment),
            stop_signal="SIGUSR1",
        ),
        summary=listening,
    )
