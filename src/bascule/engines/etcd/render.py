"""The configuration of one etcd member. Pure.

Source: etcd 3.5 operations guide, "Tuning": heartbeat about one round trip, election timeout at least ten round
trips and at least five heartbeats, at most 50 s.
"""

from __future__ import annotations

import math

from bascule.engines.addresses import ms
from bascule.engines.etcd.options import Options
from bascule.engines.protocols import Finding, Launch, Rendering, Site
from bascule.system.model import System

CLIENT_PORT = 2379
PEER_PORT = 2380
HEARTBEAT_FLOOR_MS = 50
ELECTION_CEILING_MS = 50_000
STAGGER_S = 0.1
"""A new member asks each peer whether it is bootstrapped, and waits 1 s for one that listens but does not serve yet.

Members that start at one moment cost each other 1 to 2 s; started a little apart, each is refused or answered at once.
"""


def round_trip_ms(system: System, name: str) -> int:
    """The slowest round trip between two of the component's regions, jitter included."""
    return math.ceil(system.round_trip_s([name]) * 1000)


def timing_ms(options: Options, trip_ms: int) -> tuple[int, int]:
    """Heartbeat and election timeout."""
    derived = max(HEARTBEAT_FLOOR_MS, math.ceil(trip_ms / 10) * 10)
    heartbeat_ms = ms(options.heartbeat) if options.heartbeat else derived
    election_ms = ms(options.election_timeout) if options.election_timeout else max(10 * heartbeat_ms, 10 * trip_ms)
    return heartbeat_ms, election_ms


def check(system: System, name: str, options: Options) -> tuple[Finding, ...]:
    """Timing that would hold elections for nothing, and member counts that survive less than they cost."""
    path = f"components.{name}.options"
    trip_ms = round_trip_ms(system, name)
    heartbeat_ms, election_ms = timing_ms(options, trip_ms)
    findings: list[Finding] = []
    floor_ms = max(5 * heartbeat_ms, 10 * trip_ms)
    if election_ms < floor_ms:
        findings.append(
            Finding(
                path=f"{path}.election_timeout",
                what=f"{election_ms}ms is less than 5 heartbeats of {heartbeat_ms}ms or 10 round trips of {trip_ms}ms",
                hint=f"write {floor_ms}ms or more",
            )
        )
    if election_ms > ELECTION_CEILING_MS:
        findings.append(
            Finding(
                path=f"{path}.election_timeout",
                what=f"{election_ms}ms is more than etcd takes",
                hint="write 50s or less",
            )
        )
    count = sum(system.components[name].replicas.values())
    if count % 2 == 0:
        findings.append(
            Finding(
                path=f"components.{name}.replicas",
                what=f"{count} members survive no more losses than {count - 1 or 1}",
                hint="use an odd number: 1, 3 or 5",
            )
        )
    return tuple(findings)


def render(site: Site, options: Options) -> Rendering:
    """Static bootstrap: every member knows all the others from the start, and listens on its own address alone.

    Writes are synced to disk before they are acknowledged, as is etcd's default: a quorum that forgets breaks its
    promise.
    """
    me = site.member
    name = me.component
    heartbeat_ms, election_ms = timing_ms(options, round_trip_ms(site.system, name))
    peers = [member for member in site.members if member.component == name]
    program = site.programs["etcd"]
    client = f"http://{me.address}:{CLIENT_PORT}"
    peer = f"http://{me.address}:{PEER_PORT}"
    arguments = (
        f"--name={me.name}",
        f"--data-dir={site.directory / 'data'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        "--initial-cluster=" + ",".join(f"{each.name}=http://{each.address}:{PEER_PORT}" for each in peers),
        f"--initial-cluster-token={site.system.system}-{name}",
        "--initial-cluster-state=new",
        f"--heartbeat-interval={heartbeat_ms}",
        f"--election-timeout={election_ms}",
        f"--quota-backend-bytes={options.quota.bytes}",
        "--snapshot-count=10000",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=10m",
        "--log-outputs=stderr",
        "--log-level=info",
    )
    return Rendering(
        files=(),
        launch=Launch(
            argv=(*program.argv, *arguments),
            environment=dict(program.environment),
            after_s=STAGGER_S * peers.index(me),
        ),
        summary=f"one of {len(peers)} members, heartbeat {heartbeat_ms} ms, election {election_ms} ms",
    )
