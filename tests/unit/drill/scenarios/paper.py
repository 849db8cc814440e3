"""A system on paper, with experiments as text: what the tests of timelines have in common."""

from bascule.drill.scenarios import rules
from bascule.lab.plan import LabPlan, layout
from bascule.system import parse, parse_experiments
from bascule.system.model import System
from bascule.system.scenario import Scenario

SHOP = """
system: shop
objectives:
  availability: {target: 99.9%, window: 30d}
  disruptions:
    process: {rto: 30s, rpo: 0s}
regions:
  north: {zones: [north-a, north-b]}
  south: {zones: [south-a]}
components:
  quorum: {engine: etcd, replicas: {north-a: 1, north-b: 1, south-a: 1}}
  store: {engine: postgresql, replicas: {north-a: 1, north-b: 1, south-a: 1}, needs: {quorum: hard}}
  cache: {engine: redis, replicas: {north-a: 1}}
  edge:
    engine: haproxy
    replicas: {north-a: 1, south-a: 1}
    options:
      listeners:
        postgresql: {port: 5000, mode: tcp, to: store, role: primary}
    needs: {store: hard, cache: {kind: soft, degrades: "slower"}}
workload: {through: edge, port: postgresql, protocol: postgresql, rate: 50/s}
"""


def shop() -> System:
    return parse(SHOP, "shop.yaml")


def plan() -> LabPlan:
    return layout(shop())


def scenario(text: str) -> Scenario:
    """The experiment `it` of a file whose lines below that name are these; not checked against any system."""
    lines = "\n".join(f"    {line}" for line in text.strip("\n").splitlines())
    return parse_experiments(f"experiments:\n  it:\n{lines}\n", "it.yaml", lambda _: ())["it"]


def findings(text: str) -> list[str]:
    """What is wrong with that experiment in the shop: `path: what`."""
    return [
        f"{one.path.removeprefix('experiments.it.')}: {one.what}" for one in rules.check(shop(), {"it": scenario(text)})
    ]
