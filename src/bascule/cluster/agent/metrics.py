"""An agent's state as metrics, asked anew with each scrape; facts are counted by `bascule.telemetry.prometheus`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule.cluster.agent.peers import split
from bascule.cluster.agent.status import Status
from bascule.kernel.errors import ClusterError, MachineError
from bascule.kernel.facts import Listener
from bascule.telemetry.prometheus import PrometheusFacts


class StatusCollector(Collector):
    """Says with each scrape who is in charge.

    Args:
        status: Asked with each scrape; a `ClusterError` of it means that there is nothing to say yet.
    """

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The gauges of now."""
        try:
            now = self._status()
        except ClusterError:
            return
        group = ["group"]
        active = GaugeMetricFamily("bascule_group_active", "1 where this agent acts for the group.", labels=group)
        eligible = GaugeMetricFamily("bascule_group_eligible", "1 where this agent may be chosen.", labels=group)
        held = GaugeMetricFamily("bascule_group_held", "1 where somebody who is alive holds the group.", labels=group)
        served = GaugeMetricFamily("bascule_group_served", "1 while somebody acts for it, as seen here.", labels=group)
        token = GaugeMetricFamily("bascule_group_token", "The fencing token of the term.", labels=group)
        for one in now.groups:
            active.add_metric([one.group], one.phase == "active")
            eligible.add_metric([one.group], one.eligible)
            held.add_metric([one.group], one.holder_alive)
            served.add_metric([one.group], one.serving)
            token.add_metric([one.group], one.token)
        yield from (active, eligible, held, served, token)
        up = GaugeMetricFamily("bascule_store_up", "1 while the store answers.")
        up.add_metric([], now.store_lost_s is None)
        valid = GaugeMetricFamily("bascule_lease_valid_seconds", "For how long this agent may act without a renewal.")
        valid.add_metric([], now.valid_s)
        peers = GaugeMetricFamily("bascule_agents_alive", "Agents whose session is alive, this one included.")
        peers.add_metric([], sum(peer.alive for peer in now.peers))
        paused = GaugeMetricFamily("bascule_paused", "1 while the cluster is paused.")
        paused.add_metric([], bool(now.paused))
        sound = GaugeMetricFamily("bascule_clock_sound", "1 while this agent's clock runs as those of most peers.")
        sound.add_metric([], now.clock_sound)
        yield from (up, valid, peers, paused, sound)


def serve(address: str, status: Callable[[], Status]) -> tuple[Listener, Callable[[], None]]:
    """Serve metrics at `host:port`; returns the listener that counts facts, and what ends the serving.

    Raises:
        InputError: That is no address.
        MachineError: It cannot be had.
    """
    host, port = split(address)
    registry = CollectorRegistry()
    registry.register(StatusCollector(status))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise MachineError(f"metrics cannot be served: {error.strerror}", where=address) from error

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return PrometheusFacts(registry), end
