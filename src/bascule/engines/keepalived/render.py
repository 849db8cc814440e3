"""The configuration of one keepalived, its audit, and what runs beside it. Pure.

Source: keepalived.conf(5) of 2.2; RFC 5798, 6.1: a backup waits for three adverts and `(256 - priority) / 256` of one.

Whether the member serves is told by a file that keepalived watches, and not by a script that it runs: a script would be
run as another user, whom a host without root cannot become; its failure to become so counts as success.
"""

from __future__ import annotations

from bascule.engines.addresses import ms
from bascule.engines.keepalived.options import Options
from bascule.engines.protocols import Companion, File, Finding, HealthCheck, Launch, Member, Site
from bascule.system.model import System

CONFIGURATION = "keepalived.conf"
SERVES = "serves"
PATH = "workload.entry.options"
ADVERTS = 3
INTERFACE = "eth0"
_LEAST_CHECK_S = 0.01


def down_s(options: Options, priority: int) -> float:
    """How long a backup of this priority hears nothing until it takes the address."""
    return options.advert.seconds * (ADVERTS + (256 - priority) / 256)


def check(system: System, options: Options) -> tuple[Finding, ...]:
    """Numbers that VRRP does not have, traps that are known, and times that cannot keep what was promised."""
    count = sum(system.components[system.workload.through].replicas.values())
    return (*_numbers(options, count), *_traps(options), *_promises(system, options, count))


def _numbers(options: Options, count: int) -> list[Finding]:
    findings: list[Finding] = []
    least_ms, most_ms, unit_ms, words = (
        (10, 40_950, 10, "10ms to 40.95s, in steps of 10ms")
        if options.version == 3
        else (1000, 255_000, 1000, "1s to 255s, whole seconds; version: 3 has shorter ones")
    )
    advert_ms = ms(options.advert)
    if not least_ms <= advert_ms <= most_ms or advert_ms % unit_ms:
        what = f"VRRP {options.version} has no advert interval of {options.advert}"
        findings.append(Finding(path=f"{PATH}.advert", what=what, hint=words))
    if not 1 <= options.router <= 255:
        findings.append(Finding(path=f"{PATH}.router", what=f"{options.router} is no virtual router", hint="1 to 255"))
    if not 1 <= options.priority <= 254:
        what = f"{options.priority} is no priority of a router that may be a backup"
        findings.append(Finding(path=f"{PATH}.priority", what=what, hint="1 to 254; 255 never gives the address up"))
    elif options.step < 1 or options.priority - options.step * (count - 1) < 1:
        what = f"{count} members have no priorities from {options.priority} down in steps of {options.step}"
        hint = "write 1 or more, and a priority that is high enough"
        findings.append(Finding(path=f"{PATH}.step", what=what, hint=hint))
    if options.check.fall < 1 or options.check.rise < 1:
        findings.append(Finding(path=f"{PATH}.check", what="fall and rise count checks", hint="write 1 or more"))
    findings.extend(
        Finding(path=f"{PATH}.check.{key}", what="too short for any member", hint="10ms or more")
        for key in ("every", "timeout")
        if getattr(options.check, key).seconds < _LEAST_CHECK_S
    )
    return findings


def _traps(options: Options) -> list[Finding]:
    told = options.announcements
    findings: list[Finding] = []
    if not 1 <= told.count <= 100:
        findings.append(Finding(path=f"{PATH}.announcements.count", what=f"{told.count} frames", hint="1 to 100"))
    for key in ("again", "refresh"):
        given_s = getattr(told, key).seconds
        if given_s % 1:
            what = f"keepalived counts whole seconds, not {given_s:g} s"
            findings.append(Finding(path=f"{PATH}.announcements.{key}", what=what, hint="write it like 1s"))
    if not told.refresh.seconds:
        what = "nobody is told again where the address is: after a partition some go on sending to the old holder"
        findings.append(Finding(path=f"{PATH}.announcements.refresh", what=what, hint="write 1s, or up to 60s"))
    wait_s = options.preempt_after.seconds
    if wait_s and not options.announcements.again.seconds <= wait_s <= 1000:
        what = f"an address that goes back after {options.preempt_after} is away twice for one fault"
        hint = f"0s: it stays where it is; or {told.again} to 1000s"
        findings.append(Finding(path=f"{PATH}.preempt_after", what=what, hint=hint))
    return findings


def _promises(system: System, options: Options, count: int) -> list[Finding]:
    promised = system.objectives.disruptions
    lowest = max(1, options.priority - options.step * (count - 1))
    waits_s = down_s(options, lowest)
    checks_s = options.check.fall * (options.check.every.seconds + options.check.timeout.seconds)
    findings: list[Finding] = []
    if (host := promised.get("host")) is not None and waits_s > host.rto.seconds:
        what = f"a backup waits up to {waits_s:.2f} s for a dead holder; an RTO of {host.rto} is promised for a host"
        findings.append(Finding(path=f"{PATH}.advert", what=what, hint="shorten it, or promise less"))
    if (process := promised.get("process")) is not None and checks_s > process.rto.seconds:
        what = f"a member is found dead after up to {checks_s:.2f} s; an RTO of {process.rto} is promised for a process"
        findings.append(Finding(path=f"{PATH}.check", what=what, hint="check more often, or promise less"))
    return findings


def companions(site: Site, options: Options, health: HealthCheck) -> tuple[Companion, ...]:
    """The daemon in the foreground, and a program that writes into a file whether the member serves.

    Args:
        site: The member's; `directory` is keepalived's.
        options: Of the entry.
        health: How the member is asked whether it serves.
    """
    keepalived, python = site.programs["keepalived"], site.programs["python"]
    name = site.directory.name
    watched = str(site.directory / SERVES)
    checked = options.check
    vrrp = Launch(
        argv=(
            *keepalived.argv,
            "--dont-fork",
            "--log-console",
            "--vrrp",
            f"--use-file={site.directory / CONFIGURATION}",
            f"--pid={site.directory / 'keepalived.pid'}",
            f"--vrrp_pid={site.directory / 'vrrp.pid'}",
        ),
        environment=dict(keepalived.environment),
        capabilities=("net_admin", "net_raw"),
    )
    watching = Launch(
        argv=(
            *python.argv, "-m", "bascule.engines.keepalived.watching", watched,
            f"http://{site.member.address}:{health.port}{health.path}",
            f"{checked.every.seconds:g}", f"{checked.timeout.seconds:g}", str(checked.fall), str(checked.rise),
        ),
        environment=dict(python.environment),
    )  # fmt: skip
    files = (File(path=CONFIGURATION, text=_configuration(site, options)), File(path=SERVES, text="1\n"))
    return (
        Companion(name=name, files=files, launch=vrrp),
        Companion(name=f"{name}-check", files=(), launch=watching),
    )


def _configuration(site: Site, options: Options) -> str:
    among = [member for member in site.members if member.component == site.member.component]
    told = options.announcements
    lines = [
        "state BACKUP",
        *_preemption(options),
        f"interface {INTERFACE}",
        f"virtual_router_id {options.router}",
        f"priority {options.priority - options.step * among.index(site.member)}",
        f"advert_int {options.advert.seconds:g}",
        *(_unicast(site.member, among) if options.unicast else []),
        f"garp_master_repeat {told.count}",
        f"garp_master_delay {told.again.seconds:g}",
        f"garp_master_refresh {told.refresh.seconds:g}",
        "track_file {",
        f"    {SERVES}",
        "}",
        "virtual_ipaddress {",
        f"    {site.vip}/24 dev {INTERFACE}",
        "}",
    ]
    return f"""\
global_defs {{
    router_id {site.member.name}
    vrrp_version {options.version}
}}

# Not 0: the member does not serve, and the address is given back.
track_file {SERVES} {{
    file "{site.directory / SERVES}"
    weight 0
}}

vrrp_instance {site.member.component} {{
{"".join(f"    {line}{chr(10)}" for line in lines)}}}
"""


def _preemption(options: Options) -> list[str]:
    if options.preempt_after.seconds:
        return [f"preempt_delay {options.preempt_after.seconds:g}"]
    return ["nopreempt  # needs BACKUP as the first state on every host"]


def _unicast(me: Member, among: list[Member]) -> list[str]:
    """Every host has the same list but for itself: with one missing there would be two holders."""
    others = [member.address for member in among if member != me]
    return [f"unicast_src_ip {me.address}", "unicast_peer {", *(f"    {each}" for each in others), "}"]
