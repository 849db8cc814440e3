"""Systems for the tests of predictions, small enough to be worked out on paper."""

from __future__ import annotations

from bascule.system import parse
from bascule.system.model import System

EXACT = "{mtbf: 100h, mttr: 1h, needed: 1, redundancy: active, failover: 0s, coverage: 100%, manual: 0s, beta: 0%}"
TEXT = """\
system: small
objectives:
  availability: {{target: {target}, window: 30d}}
  disruptions: {disruptions}
regions:
  north: {{zones: [north-a, north-b]}}
  south: {{zones: [south-a]}}
outages:
  zone: {zone}
  region: {region}
components:
{components}
{rest}
workload: {{through: web, rate: 1/s, protocol: postgresql}}
"""
NEVER = "{mtbf: 300000d, mttr: 1s}"
"""So rare that a place is as good as never lost."""
AT_TIMES = "{mtbf: 1000h, mttr: 1h}"
"""One time in a thousand."""


def system(
    components: str,
    *,
    rest: str = "",
    zone: str = NEVER,
    region: str = NEVER,
    target: str = "99.9%",
    disruptions: str = "{zone: {rto: 1m, rpo: 0s}}",
) -> System:
    """A system of these components, as YAML below `components:`; the load goes to `web`."""
    filled = TEXT.format(
        components=components, rest=rest, zone=zone, region=region, target=target, disruptions=disruptions
    )
    return parse(filled, "small.yaml")


def component(name: str, replicas: str, *, reliability: str = EXACT, needs: str = "{}", more: str = "") -> str:
    """One component, as YAML."""
    return (
        f"  {name}:\n    engine: anything\n    replicas: {replicas}\n    reliability: {reliability}\n"
        f"    needs: {needs}\n{more}"
    )
