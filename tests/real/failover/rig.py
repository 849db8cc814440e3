"""Three hosts with an address that follows who is in charge, and clients that ask it, in a lab.

The hosts `n1`, `n2` and `n3` have an etcd member, an agent (or keepalived) and a responder each. `user` asks the
address every 10 ms. `pinned` does the same, but sends its frames to one host, whoever claims the address: it sees
whether the old holder would still answer.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from sights import Answer, read, two_holders_s

from bascule.cluster.agent import control
from bascule.cluster.agent.status import Status
from bascule.engines import binaries
from bascule.engines.protocols import Launch
from bascule.kernel.errors import BasculeError
from bascule.lab import world
from bascule.lab.client import LabClient
from bascule.lab.plan import CLIENT_HOST, Host, LabPlan, Zone

HERE = Path(__file__).parent
NODES = ("n1", "n2", "n3")
VIP = "10.88.1.8"
PORT = 9000
EVERY_S = 0.01
READY_LIMIT_S = 60.0
Provider = Literal["bascule", "keepalived"]


def boot_s() -> float:
    """The time that all hosts of the lab share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_for(holds: Callable[[], bool], what: str, limit_s: float = READY_LIMIT_S) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not.
    """
    deadline_s = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not within {limit_s:g} s: {what}")
        time.sleep(0.005)


def plan() -> LabPlan:
    """Everybody in one zone: one broadcast domain."""
    names = (*NODES, "db", "user", "pinned")
    hosts = [Host(name=name, zone="z", region="r", address=f"10.88.1.{10 + n}") for n, name in enumerate(names)]
    hosts.append(Host(name=CLIENT_HOST, zone="outside", region="outside", address="10.88.250.10"))
    zones = (Zone(name="z", region="r", subnet="10.88.1"), Zone(name="outside", region="outside", subnet="10.88.250"))
    return LabPlan(system="failover", zones=zones, hosts=tuple(hosts), members=(), links=())


class Rig:
    """The lab, up; everything in it dies with the client that made it.

    Args:
        client: The lab.
        directory: For files.
        ttl: The agents' lease.
    """

    def __init__(self, client: LabClient, directory: Path, *, ttl: str = "500ms") -> None:
        self.lab = client
        self.directory = directory
        self.ttl = ttl
        self.provider: Provider = "bascule"
        self._asked = 0
        self._running: dict[str, Path] = {}

    def address(self, host: str) -> str:
        """A host's own address."""
        return self.lab.plan.host(host).address

    def folder(self, name: str) -> Path:
        """A folder of its own for a program."""
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    # -- the store

    def start_etcd(self) -> None:
        """Three members, with an election timeout of 500 ms."""
        program = binaries.find("etcd")
        cluster = ",".join(f"{name}=http://{self.address(name)}:2380" for name in NODES)
        for name in NODES:
            own = self.address(name)
            words = {
                "name": name,
                "data-dir": str(self.folder(f"etcd-{name}") / "data"),
                "listen-client-urls": f"http://{own}:2379,http://127.0.0.1:2379",
                "advertise-client-urls": f"http://{own}:2379",
                "listen-peer-urls": f"http://{own}:2380",
                "initial-advertise-peer-urls": f"http://{own}:2380",
                "initial-cluster": cluster,
                "heartbeat-interval": "50",
                "election-timeout": "500",
                "log-level": "error",
            }
            argv = (*program.argv, *(f"--{key}={value}" for key, value in words.items()))
            self._launch(name, f"etcd-{name}", Launch(argv=argv, environment=dict(program.environment)))
        wait_for(lambda: self.etcd_leader() != "", "an etcd leader")

    def etcd_leader(self) -> str:
        """The host whose etcd leads, as any member says; empty: nobody knows."""
        for name in NODES:
            with contextlib.suppress(OSError, ValueError, KeyError), self.lab.dial(name, 2379, 0.5) as line:
                line.settimeout(0.5)
                body = b"{}"
                head = f"POST /v3/maintenance/status HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
                line.sendall(head.encode() + body)
                with line.makefile("rb") as stream:
                    told = json.loads(stream.read().partition(b"\r\n\r\n")[2])
                if int(told.get("leader", 0)) == int(told["header"]["member_id"]):
                    return name
        return ""

    def start_postgresql(self) -> None:
        """One server on the host `db`; everybody of the lab may come in as `app`."""
        folder = self.folder("postgresql")
        initdb, server = binaries.find("initdb"), binaries.find("postgres")
        data = folder / "data"
        made = ("--no-sync", "--username=app", "--auth=trust", "--encoding=UTF8", "--no-locale", "-D", str(data))
        done = self.lab.run("db", (*initdb.argv, *made), environment=initdb.environment)
        if done.exit_code:
            raise RuntimeError(done.stderr.decode())
        (data / "pg_hba.conf").write_text("host all app 10.88.0.0/16 trust\nlocal all app trust\n")
        settings = {"listen_addresses": self.address("db"), "unix_socket_directories": str(folder), "fsync": "off"}
        words = tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        launch = Launch(argv=(*server.argv, "-D", str(data), *words), environment=dict(server.environment))
        self._launch("db", "postgresql", launch)

        def accepts() -> bool:
            with contextlib.suppress(OSError):
                self.lab.dial("db", 5432, 0.5).close()
                return True
            return False

        wait_for(accepts, "PostgreSQL accepts connections")

    def postgresql_store(self) -> str:
        """The store's table for the PostgreSQL of the lab."""
        host = self.address("db")
        return f'kind = "postgresql"\nhosts = ["{host}"]\ndatabase = "postgres"\nuser = "app"\ntls = "disable"\n'

    def failsafe(self, name: str) -> tuple[str, str]:
        """What an agent's file says in order to hold without the store: lines of `[agent]`, and the table `[peers]`."""
        key = self.directory / "peers.key"
        if not key.exists():
            key.touch(0o600)
            key.write_text("a key for the peers of a test")
        return 'without_store = "hold"', f'[peers]\nlisten = "{self.address(name)}:7946"\nkey_file = "{key}"\n'

    # -- who is in charge

    def start_responders(self) -> None:
        """What stands behind the address."""
        for name in NODES:
            argv = (sys.executable, str(HERE / "responder.py"), name, str(PORT))
            self._launch(name, f"responder-{name}", Launch(argv=argv))

    def agent_file(self, name: str, store: str, extra: str = "") -> Path:
        """The agent's file of a host."""
        text = f"""
[agent]
name = "{name}"
cluster = "failover"
ttl = "{self.ttl}"
control = "{self.folder(f"agent-{name}")}/agent.sock"
{extra}
[store]
{store}
[groups.edge]
priority = {100 - NODES.index(name)}
hold_down = "1s"
[[groups.edge.actuators]]
kind = "vip"
address = "{VIP}/24"
interface = "eth0"
"""
        path = self.folder(f"agent-{name}") / "agent.toml"
        path.write_text(text)
        return path

    def etcd_store(self) -> str:
        """The store's table for the etcd of the lab."""
        endpoints = ", ".join(f'"http://{self.address(name)}:2379"' for name in NODES)
        return f'kind = "etcd"\nendpoints = [{endpoints}]\n'

    def start_agents(self, store: str = "", *, hold: bool = False) -> None:
        """An agent on each host; with `hold`, they go on without the store while all confirm it."""
        for name in NODES:
            line, peers = self.failsafe(name) if hold else ("", "")
            path = self.agent_file(name, f"{store or self.etcd_store()}\n{peers}", line)
            argv = (sys.executable, "-m", "bascule", "agent", "run", str(path))
            self._launch(name, f"agent-{name}", Launch(argv=argv, capabilities=("net_admin", "net_raw")))

    def start_keepalived(self, advert_s: float) -> None:
        """The peer: VRRP among the three hosts."""
        self.provider = "keepalived"
        program = binaries.find("keepalived")
        for place, name in enumerate(NODES):
            folder = self.folder(f"keepalived-{name}")
            text = f"""
global_defs {{
    vrrp_version 3
}}
vrrp_instance edge {{
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority {100 - place}
    advert_int {advert_s:g}
    virtual_ipaddress {{
        {VIP}/24 dev eth0
    }}
}}
"""
            (folder / "keepalived.conf").write_text(text)
            argv = (
                *program.argv, "--dont-fork", "--log-console", "--vrrp", f"--use-file={folder}/keepalived.conf",
                f"--pid={folder}/keepalived.pid", f"--vrrp_pid={folder}/vrrp.pid",
            )  # fmt: skip
            launch = Launch(argv=argv, environment=dict(program.environment), capabilities=("net_admin", "net_raw"))
            self._launch(name, f"keepalived-{name}", launch)

    def in_charge(self, name: str) -> str:
        """The member on this host that holds the address, or may."""
        return f"agent-{name}" if self.provider == "bascule" else f"keepalived-{name}"

    def ask_agent(self, name: str, *words: str) -> bytes:
        """`bascule cluster ...` on a host."""
        path = self.directory / f"agent-{name}" / "agent.toml"
        argv = (sys.executable, "-m", "bascule", "cluster", *words, "--agent", str(path), "--json")
        return self.lab.run(name, argv, timeout_s=60).stdout

    # -- clients

    def start_client(self, host: str) -> None:
        """Have a host ask the address every 10 ms."""
        self._asked += 1
        path = self.directory / f"{host}-{self._asked}.txt"
        argv = (sys.executable, str(HERE / "requester.py"), VIP, str(PORT), str(EVERY_S), str(path))
        self.lab.spawn(host, f"requester-{host}-{self._asked}", argv)
        self._running[host] = path

    def pin(self, node: str) -> None:
        """Have `pinned` ask one host, whoever claims the address."""
        code = "import sys; from pyroute2 import IPRoute; line = IPRoute(); "
        code += (
            "line.neigh('replace', dst=sys.argv[1], lladdr=sys.argv[2], ifindex=line.link_lookup(ifname='eth0')[0], "
        )
        code += "state=128)"  # permanent
        argv = (sys.executable, "-c", code, VIP, self._mac(node))
        done = self.lab.run("pinned", argv, capabilities=("net_admin",))
        if done.exit_code:
            raise RuntimeError(done.stderr.decode())

    def _mac(self, node: str) -> str:
        code = "from pyroute2 import IPRoute; print(IPRoute().get_links(ifname='eth0')[0].get_attr('IFLA_ADDRESS'))"
        return self.lab.run(node, (sys.executable, "-c", code)).stdout.decode().strip()

    def answers(self, *hosts: str) -> list[Answer]:
        """What these hosts wrote down so far, or all."""
        found: list[Answer] = []
        for host in hosts or tuple(self._running):
            with contextlib.suppress(FileNotFoundError), self._running[host].open() as stream:
                found += read(stream)
        return sorted(found, key=lambda one: one.asked_s)

    def holder(self) -> str:
        """Who answered the user last."""
        answers = self.answers("user")
        return answers[-1].holder if answers else ""

    def served_since(self, since_s: float, by: Sequence[str] = NODES, count: int = 20) -> bool:
        """The user had so many answers from these hosts since then."""
        return sum(one.asked_s > since_s and one.holder in by for one in self.answers("user")) >= count

    def wait_until_served(self, since_s: float = 0.0, by: Sequence[str] = NODES, count: int = 20) -> None:
        """Wait until the user had so many answers from these hosts since then."""
        wait_for(lambda: self.served_since(since_s, by, count), f"{count} answers from {', '.join(by)}")

    def wait_for_agents(self, names: Sequence[str]) -> None:
        """Wait until each of these agents sees all of them alive, and somebody in charge."""

        def together() -> bool:
            for name in names:
                try:
                    told = self.status(name)
                except BasculeError:
                    return False
                alive = {peer.agent for peer in told.peers if peer.alive}
                if not alive >= set(names) or not all(one.holder_alive for one in told.groups):
                    return False
            return True

        wait_for(together, "all agents see each other")

    def status(self, name: str) -> Status:
        """What an agent says of itself; asked through its socket, which lies in the file system that all share."""
        path = self.directory / f"agent-{name}" / "agent.sock"
        return msgspec.json.decode(control.ask(path, control.Request(do="status"), 5), type=Status)

    def pinned_holder(self) -> str:
        """Who is in charge; from now on `pinned` asks it alone."""
        deadline_s = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < deadline_s:
            holder = self.holder()
            self.pin(holder)
            self.start_client("pinned")
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: len(self.answers("pinned")) >= 5, "answers to the pinned client", 2.0)
                return holder
            self.unpin()  # somebody else has taken over meanwhile, as on a machine that is very busy
        raise TimeoutError(f"nobody is in charge for long, {READY_LIMIT_S:g} s after the first look")

    def move_to_the_stores_leader(self) -> str:
        """Have the host whose etcd leads hold the address, whatever is refused on the way; returns it.

        Raises:
            TimeoutError: The two do not come together.
        """
        return self._move(lambda leader: leader, lambda holder, leader: holder == leader)

    def move_away_from_the_stores_leader(self) -> str:
        """Have a host whose etcd does not lead hold the address; returns it.

        Raises:
            TimeoutError: The two stay together.
        """
        return self._move(
            lambda leader: next(name for name in NODES if name != leader), lambda holder, leader: holder != leader
        )

    def _move(self, to: Callable[[str], str], is_there: Callable[[str, str], bool]) -> str:
        """Hand over until the holder stands to the store's leader as it should."""
        deadline_s = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < deadline_s:
            leader, holder = self.etcd_leader(), self.holder()
            if leader and is_there(holder, leader) and self.served_since(boot_s() - 0.5, [holder]):
                return holder
            if leader and not is_there(holder, leader):
                target = to(leader)
                self.ask_agent(target, "switchover", "edge", target, "--yes")  # refused while it may not be chosen
            with contextlib.suppress(TimeoutError):
                at_s = boot_s()
                wait_for(lambda at_s=at_s: self.served_since(at_s), "somebody answers", 5.0)  # type: ignore[misc]  # bound now
        raise TimeoutError(
            f"the address is not where it should be beside the store's leader, after {READY_LIMIT_S:g} s"
        )

    def unpin(self) -> None:
        """End the pinned client."""
        if "pinned" in self._running:
            name = f"requester-pinned-{self._running.pop('pinned').stem.rpartition('-')[2]}"
            self.lab.signal(name, signal.SIGTERM)
            self.lab.wait(name, 10)

    def silent_for(self, at_least_s: float) -> bool:
        """Nobody has answered the user for so long."""
        answers = self.answers("user")
        return bool(answers) and boot_s() - answers[-1].answered_s >= at_least_s

    def cut_agents_from_each_other(self) -> None:
        """Drop everything between the hosts of agents but what goes to and from etcd."""
        rules = " ".join(
            f"add rule inet cut {chain} ip {end} {{ {', '.join(self.address(name) for name in NODES)} }} "
            f"meta l4proto udp drop;"
            for chain, end in (("in", "saddr"), ("out", "daddr"))
        )
        text = (
            "add table inet cut; add chain inet cut in { type filter hook input priority 0 ; }; "
            f"add chain inet cut out {{ type filter hook output priority 0 ; }}; {rules}"
        )
        for name in NODES:
            self._nft(name, text)

    def join_agents_again(self) -> None:
        """Undo `cut_agents_from_each_other`."""
        for name in NODES:
            self._nft(name, "delete table inet cut")

    def _nft(self, name: str, text: str) -> None:
        done = self.lab.run(name, ("/usr/sbin/nft", text), capabilities=("net_admin",))
        if done.exit_code:
            raise RuntimeError(done.stderr.decode())

    def two_holders_s(self) -> float:
        """For how long two answered at the same time, as all clients saw it."""
        return two_holders_s(self.answers())

    def _launch(self, host: str, name: str, launch: Launch) -> None:
        self.lab.launch(host, name, launch, self.folder(name))


@contextlib.contextmanager
def running(directory: Path, **options: str) -> Iterator[Rig]:
    """A rig for the length of a `with` block; nothing of it runs afterwards."""
    client = world.create(directory / "lab", plan(), isolation="namespaces")
    try:
        yield Rig(client, directory, **options)
    finally:
        client.down()
