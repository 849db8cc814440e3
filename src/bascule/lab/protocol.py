"""The words between a lab's client and its supervisor: one JSON line per request, one per reply, over a UNIX socket."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct, field

from bascule.chaos.disk import DiskTrouble
from bascule.chaos.platform import ProcessState
from bascule.chaos.traffic import Trouble
from bascule.engines.protocols import Capability, Launch
from bascule.kernel import errors
from bascule.lab.clock_requests import ClockRequests
from bascule.lab.ending_requests import EndingRequests
from bascule.lab.names import SUPERVISOR_LOG
from bascule.lab.naming_requests import NamingRequests
from bascule.lab.plan import LabPlan
from bascule.lab.request import Request

REQUEST_LIMIT_BYTES = 8 * 2**20
OUTPUT_LIMIT_BYTES = 4 * 2**20
REPLY_LIMIT_BYTES = 16 * 2**20
Isolation = Literal["namespaces", "loopback"]


class LabRecord(Struct, frozen=True, kw_only=True):
    """What `lab.json` says while a lab is up: enough to find it, to join it, and to be sure that it is gone.

    Attributes:
        identity: Random; the mark that every process of the lab carries in its environment.
        pid: The keeper's pid, outside; killing it ends the lab.
        start: The keeper's start time, in the kernel's ticks since boot: pids come again.
        disk_refusal: Why its disks cannot fail; empty when they can.
        faketime: Path of the libfaketime that turns its members' clocks; empty when nothing does.
        clock_refusal: Why nothing does; empty when something does.
        names_refusal: Why its hosts have no resolvers of their own; empty when they have.
    """

    identity: str
    pid: int
    start: int
    isolation: Isolation
    uid: int
    plan: LabPlan
    disk_refusal: str = "it was brought up without them: bascule lab up --disks"
    faketime: str = ""
    clock_refusal: str = "it was brought up without clocks that can be turned: bascule lab up --clocks"
    names_refusal: str = "it was brought up without names: bascule lab up --names"


class Setting(Struct, frozen=True, kw_only=True):
    """The first line that a supervisor hears: what it shall make."""

    identity: str
    plan: LabPlan
    disk_refusal: str = "it was brought up without them: bascule lab up --disks"
    faketime: str = ""
    clock_refusal: str = "it was brought up without clocks that can be turned: bascule lab up --clocks"
    names_refusal: str = "it was brought up without names: bascule lab up --names"


class LaunchMember(Request, frozen=True, kw_only=True, tag="launch"):
    """Register a member and start it."""

    host: str
    member: str
    launch: Launch
    directory: str


class StartMember(Request, frozen=True, kw_only=True, tag="start"):
    """Start a member again if it is down."""

    member: str


class StopMember(Request, frozen=True, kw_only=True, tag="stop"):
    """End a member by its stop signal; by SIGKILL after the timeout."""

    member: str
    timeout_s: float


class Kill(Request, frozen=True, kw_only=True, tag="kill"):
    """SIGKILL a member's tree, or the topmost process of one command."""

    member: str
    command: str = ""


class Freeze(Request, frozen=True, kw_only=True, tag="freeze"):
    """SIGSTOP a member's tree."""

    member: str


class Thaw(Request, frozen=True, kw_only=True, tag="thaw"):
    """SIGCONT a member's tree."""

    member: str


class CrashLoop(Request, frozen=True, kw_only=True, tag="crash_loop"):
    """Kill a member's tree and start it, again and again."""

    member: str
    up_s: float


class EndCrashLoop(Request, frozen=True, kw_only=True, tag="end_crash_loop"):
    """End a crash loop; the member is up."""

    member: str


class Slow(Request, frozen=True, kw_only=True, tag="slow"):
    """Let a member's tree run a share of the time."""

    member: str
    share: float


class Turns(Request, frozen=True, kw_only=True, tag="turns"):
    """Say how often a slow member's main process stopped and went on."""

    member: str


class Hasten(Request, frozen=True, kw_only=True, tag="hasten"):
    """Let a member's tree run all the time again."""

    member: str


class Descriptors(Request, frozen=True, kw_only=True, tag="descriptors"):
    """Count the file descriptors of a member's tree."""

    member: str


class LimitDescriptors(Request, frozen=True, kw_only=True, tag="limit_descriptors"):
    """Leave a member's tree so many free descriptors."""

    member: str
    spare: int


class FreeDescriptors(Request, frozen=True, kw_only=True, tag="free_descriptors"):
    """Give a member's tree its limits of open files back."""

    member: str


class Processes(Request, frozen=True, kw_only=True, tag="processes"):
    """List a member's tree."""

    member: str


class Spawn(Request, frozen=True, kw_only=True, tag="spawn"):
    """Start an auxiliary process; without `output`, its output goes into a log of its own."""

    host: str
    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    output: str
    capabilities: tuple[Capability, ...] = ()


class Signal(Request, frozen=True, kw_only=True, tag="signal"):
    """Send a signal to an auxiliary process."""

    name: str
    number: int


class Wait(Request, frozen=True, kw_only=True, tag="wait"):
    """Wait until an auxiliary process has ended."""

    name: str
    timeout_s: float


class Run(Request, frozen=True, kw_only=True, tag="run"):
    """Run a command on a host to its end."""

    host: str
    argv: tuple[str, ...]
    timeout_s: float
    environment: dict[str, str]
    directory: str
    input: bytes = b""
    capabilities: tuple[Capability, ...] = ()


class Dial(Request, frozen=True, kw_only=True, tag="dial"):
    """Connect to a port of a host from inside that host; the descriptor comes with the reply."""

    host: str
    port: int
    timeout_s: float


class Reachable(Request, frozen=True, kw_only=True, tag="reachable"):
    """Send a datagram from one host to another."""

    source: str
    target: str


class PowerOff(Request, frozen=True, kw_only=True, tag="power_off"):
    """Cut the hosts' wires and kill everything on them."""

    hosts: tuple[str, ...]


class PowerOn(Request, frozen=True, kw_only=True, tag="power_on"):
    """Join the hosts' wires and start their members."""

    hosts: tuple[str, ...]


class Partition(Request, frozen=True, kw_only=True, tag="partition"):
    """Cut these hosts off from all others."""

    hosts: tuple[str, ...]


class Heal(Request, frozen=True, kw_only=True, tag="heal"):
    """Undo every partition."""


class AddTrouble(Request, frozen=True, kw_only=True, tag="add_trouble"):
    """Bring trouble to the wire of a host."""

    host: str
    trouble: Trouble


class RemoveTrouble(Request, frozen=True, kw_only=True, tag="remove_trouble"):
    """Take a trouble away from the wire of a host."""

    host: str
    trouble: Trouble


class Traffic(Request, frozen=True, kw_only=True, tag="traffic"):
    """Say what a trouble did so far."""

    host: str
    trouble: Trouble


class Travel(Request, frozen=True, kw_only=True, tag="travel"):
    """Send some datagrams from one host to another, and say how long each took."""

    source: str
    target: str
    count: int
    limit_s: float
    port: int = 0


class Knock(Request, frozen=True, kw_only=True, tag="knock"):
    """Connect from one host to a port of another, and say what became of it."""

    source: str
    target: str
    port: int
    limit_s: float


class Holding(Request, frozen=True, kw_only=True, tag="holding"):
    """Say which hosts have the address that moves."""


class ExhaustPorts(Request, frozen=True, kw_only=True, tag="exhaust_ports"):
    """Leave a host no local port for outgoing connections."""

    host: str


class FreePorts(Request, frozen=True, kw_only=True, tag="free_ports"):
    """Give a host its local ports back."""

    host: str


class FindsPort(Request, frozen=True, kw_only=True, tag="finds_port"):
    """Say whether a connection from a host finds a local port."""

    host: str


class SetLink(Request, frozen=True, kw_only=True, tag="link"):
    """Shape the line from one site to another, in this direction alone."""

    source_site: str
    target_site: str
    delay_s: float
    jitter_s: float
    loss: float
    cut: bool


class AddDiskTrouble(Request, frozen=True, kw_only=True, tag="add_disk_trouble"):
    """Bring trouble to the disk of a host."""

    host: str
    trouble: DiskTrouble


class RemoveDiskTrouble(Request, frozen=True, kw_only=True, tag="remove_disk_trouble"):
    """Take a trouble away from the disk of a host."""

    host: str
    trouble: DiskTrouble


class DiskCounted(Request, frozen=True, kw_only=True, tag="disk_counts"):
    """Say what a trouble of a disk did so far."""

    host: str
    trouble: DiskTrouble


class TryDisk(Request, frozen=True, kw_only=True, tag="try_disk"):
    """Write and sync a small file on the disk of a host, and say what became of it."""

    host: str


class SettleDisks(Request, frozen=True, kw_only=True, tag="settle_disks"):
    """Take all that was written so far for synced."""


class LoseWrites(Request, frozen=True, kw_only=True, tag="lose_writes"):
    """Cut the hosts' wires, kill everything on them, and lose what their disks had not synced."""

    hosts: tuple[str, ...]


class WritesLost(Request, frozen=True, kw_only=True, tag="writes_lost"):
    """Say what the disk of a host lost with its power."""

    host: str


class Status(Request, frozen=True, kw_only=True, tag="status"):
    """Say how everything is."""


class Memory(Request, frozen=True, kw_only=True, tag="memory"):
    """Add up the memory of all processes."""


class Keep(Request, frozen=True, kw_only=True, tag="keep"):
    """Live on when the owner ends."""


class Down(Request, frozen=True, kw_only=True, tag="down"):
    """End the lab."""


Requests = (
    LaunchMember | StartMember | StopMember | Kill | Freeze | Thaw | CrashLoop | EndCrashLoop | Slow | Turns | Hasten
    | Descriptors | LimitDescriptors | FreeDescriptors | Processes | Spawn | Signal | Wait | Run | Dial
    | Reachable | PowerOff | PowerOn | Partition | Heal | AddTrouble | RemoveTrouble | Traffic | Travel
    | Knock | Holding | SetLink | Status | Memory | Keep | Down | EndingRequests | ClockRequests | NamingRequests
    | AddDiskTrouble | RemoveDiskTrouble | DiskCounted | TryDisk | SettleDisks | LoseWrites | WritesLost
    | Knock | Holding | SetLink | Status | Memory | Keep | Down
    | ExhaustPorts | FreePorts | FindsPort
)  # fmt: skip


class Failure(Struct, frozen=True, kw_only=True):
    """Why something was not done: the error's class, and its three parts."""

    kind: str
    what: str
    where: str = ""
    hint: str = ""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The failure that stands for an error."""
        if isinstance(error, errors.BasculeError):
            return cls(kind=type(error).__name__, what=error.what, where=error.where, hint=error.hint)
        return cls(kind=type(error).__name__, what=str(error) or type(error).__name__)

    def error(self) -> Exception:
        """The error that this failure stands for; one that is unknown here becomes a `LabError`."""
        if self.kind in _PLAIN:
            return _PLAIN[self.kind](self.what)
        kind = errors.kind_named(self.kind)
        if kind is not None:
            return kind(self.what, where=self.where, hint=self.hint)
        return errors.LabError(f"the supervisor failed: {self.kind}: {self.what}", hint=f"see {SUPERVISOR_LOG}")


class NoAnswerError(ConnectionError, TimeoutError):
    """A connection was not answered in time."""


_PLAIN: dict[str, type[OSError]] = {
    "ConnectionRefusedError": ConnectionRefusedError,
    "ConnectionResetError": ConnectionResetError,
    "NoAnswerError": NoAnswerError,
}


class Reply(Struct, frozen=True, kw_only=True):
    """The answer to one request: a value, or why not."""

    value: msgspec.Raw = field(default_factory=lambda: msgspec.Raw(b"null"))
    failure: Failure | None = None


class Completed(Struct, frozen=True, kw_only=True):
    """How a command ended. A negative exit code is the signal that ended it; output beyond 4 MiB is left out."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class HostStatus(Struct, frozen=True, kw_only=True):
    """One host: whether it has power, and its island (0: not cut off)."""

    name: str
    address: str
    powered: bool
    island: int


class EntryHost(Struct, frozen=True, kw_only=True):
    """One of the hosts among which the address moves: whether it has it now, and whether all its programs are up."""

    host: str
    holds: bool
    whole: bool


class MemberStatus(Struct, frozen=True, kw_only=True):
    """One member.

    Attributes:
        pid: Of its main process; 0 when that is down.
        restarts: How often it was started again.
        exit_code: How its main process last ended; None when it never did.
        since_s: Monotonic seconds of its last start or end.
    """

    name: str
    host: str
    state: ProcessState
    pid: int
    restarts: int
    exit_code: int | None
    since_s: float


class WorldStatus(Struct, frozen=True, kw_only=True):
    """The whole lab at one moment."""

    isolation: Isolation
    kept: bool
    hosts: tuple[HostStatus, ...]
    members: tuple[MemberStatus, ...]


def line(message: Struct) -> bytes:
    """A message as one line."""
    return msgspec.json.encode(message) + b"\n"
