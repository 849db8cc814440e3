"""Cuts a node off by its power switch, hypervisor or management board, through a fence agent; and sees that it is off.

A fence agent is a program that reads `key=value` lines and does one action. A node counts as fenced only when `off`
was done and `status`, asked afterwards, says off: nothing else ends the life of a node that cannot be asked itself.

Source: FenceAgentAPI (ClusterLabs fence-agents, doc/FenceAgentAPI.md): options on standard input; exit code 0 done, 1
failed; for `status` 0 on and 2 off; `monitor` 0 where the device answers; `metadata` an XML text with all actions.
"""

from __future__ import annotations

import asyncio
import re
import shutil

from msgspec import Struct, field

from bascule.cluster.programs.child import Ran, environment, run
from bascule.cluster.stores.secret_files import read_secret, without
from bascule.kernel.errors import FenceError, InputError, MissingProgramError
from bascule.kernel.quantities import Duration

OFF = 2
"""Exit code of `status` where the node is off."""
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/local/sbin"
METADATA_LIMIT_BYTES = 1 << 20
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_SECRET = re.compile(r"pass(wd|word|phrase)?$|secret|token|api_?key|community", re.IGNORECASE)
_ACTION = re.compile(r'<action\s[^>]*\bname\s*=\s*"([a-z-]{1,40})"')
_OURS = frozenset({"action", "option", "nodename"})


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="fence_agent"):
    """How one node is cut off. It stays off until somebody turns it on.

    Attributes:
        agent: The fence agent: `fence_ipmilan`, or an absolute path.
        parameters: What it is told: `ip`, `username`, `plug`, `lanplus` and others, as its `metadata` names them.
        secret_files: Files for what nobody may read: `password = "/etc/bascule/ipmi"`. Their first line is sent to the
            agent's standard input, and is in no list of processes, no log and no error.
        timeout: How long `off` may take.
        status_timeout: How long one `status` may take.
        confirm_within: How long it may take after `off` until `status` says off.
        retries: How often `off` is tried again.
        retry_pause: The pause before each of these.
        delay: What is waited before the first: give each of two nodes that may fence each other another one, so that
            one of them lives.
    """

    agent: str
    parameters: dict[str, str | int | bool] = field(default_factory=dict)
    secret_files: dict[str, str] = field(default_factory=dict)
    timeout: Duration = Duration(20.0)
    status_timeout: Duration = Duration(10.0)
    confirm_within: Duration = Duration(20.0)
    retries: int = 1
    retry_pause: Duration = Duration(1.0)
    delay: Duration = Duration(0.0)


def make(options: Options) -> FenceAgent:
    """The fence; nothing is cut off yet. The secrets are read.

    Raises:
        InputError: An option is impossible, or a file of a secret can be read by others.
        MissingProgramError: The agent is not on this machine.
    """
    for name, limit in (
        ("timeout", options.timeout),
        ("status_timeout", options.status_timeout),
        ("confirm_within", options.confirm_within),
    ):
        if not 0 < limit.seconds <= 600:
            raise InputError(f"a limit of {limit} is out of range", where=name, hint="above 0s, at most 10m")
    if not 0 <= options.retries <= 10 or options.retry_pause.seconds > 60 or options.delay.seconds > 60:
        raise InputError("0 to 10 retries, with a pause and a delay of up to 60s", where="retries")
    _check_parameters(options)
    secrets = {key: read_secret(path, for_whom=f"secret_files.{key}") for key, path in options.secret_files.items()}
    return FenceAgent(options, _program(options.agent), secrets)


def _check_parameters(options: Options) -> None:
    for key in (*options.parameters, *options.secret_files):
        if not _KEY.fullmatch(key) or key in _OURS:
            raise InputError(f"{key[:80]!r} is no parameter", where="parameters", hint="as its metadata names them")
    if both := set(options.parameters) & set(options.secret_files):
        raise InputError(f"{', '.join(sorted(both))} is given twice", where="secret_files")
    for key, value in options.parameters.items():
        if _SECRET.search(key) and not key.endswith(("_file", "_script")):
            hint = f'write it to a file, and secret_files = {{ {key} = "/path/to/it" }}'
            raise InputError(f"the value of {key} may not stand here", where=f"parameters.{key}", hint=hint)
        if not str(value).isprintable() or len(str(value)) > 4096:
            raise InputError("a value is one line of text", where=f"parameters.{key}")


def _program(agent: str) -> str:
    if not agent or "\0" in agent or ("/" in agent and not agent.startswith("/")):
        raise InputError(f"{agent[:80]!r} is no fence agent", where="agent", hint="its name, or its absolute path")
    found = shutil.which(agent) or shutil.which(agent, path=SYSTEM_PATH)
    if found is None:
        raise MissingProgramError(f"{agent[:80]} was not found", where="agent", hint="apt install fence-agents")
    return found


class FenceAgent:
    """One agent, with what it is told.

    Args:
        options: Checked by `make`.
        program: The agent's path.
        secrets: More parameters, by their name.
    """

    def __init__(self, options: Options, program: str, secrets: dict[str, str]) -> None:
        self.name = f"fence {options.agent}"
        self._options = options
        self._program = program
        self._secrets = secrets

    async def fence(self, node: str) -> None:
        """The node is off: `off` was done, and `status` said so afterwards.

        Raises:
            FenceError: It is not sure that it is.
        """
        await asyncio.sleep(self._options.delay.seconds)
        why = ""
        for attempt in range(1 + self._options.retries):
            if attempt:
                await asyncio.sleep(self._options.retry_pause.seconds)
            why = await self._off()
            if not why:
                return
        raise FenceError(f"it is not sure that {node} is off: {why}", where=self.name, hint=self._hint(node))

    async def try_out(self) -> None:
        """See that the agent knows what is needed of it, and that its device answers; nobody is cut off.

        Raises:
            FenceError: It could not fence.
        """
        ran = await self._do("metadata", self._options.status_timeout.seconds, METADATA_LIMIT_BYTES)
        known = set(_ACTION.findall(ran.output))
        if ran.code != 0 or not {"off", "status"} <= known:
            lacks = "has no metadata" if ran.code != 0 else f"has no {' and '.join({'off', 'status'} - known)}"
            raise FenceError(f"the agent {lacks}", where=self.name, hint=f"{self._options.agent} -o metadata")
        ran = await self._do("monitor", self._options.status_timeout.seconds)
        if ran.code != 0:
            hint = "are its parameters right, and is the device reached from here?"
            raise FenceError(f"its device does not answer: {self._why(ran)}", where=self.name, hint=hint)

    async def _off(self) -> str:
        """Why it is not sure that the node is off; empty: it is off."""
        ran = await self._do("off", self._options.timeout.seconds)
        if ran.code != 0:
            # Also when `status` says off now: exit code 2 is what a shell or an interpreter says of a broken script.
            return f"`off` failed: {self._why(ran)}"
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._options.confirm_within.seconds
        pause_s = 0.1
        while True:
            ran = await self._do("status", self._options.status_timeout.seconds)
            if ran.code == OFF:
                return ""
            if loop.time() >= until_s:
                says = "on" if ran.code == 0 else self._why(ran)
                return f"`off` was done, but `status` says: {says}"
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, pause_s * 1.5)

    async def _do(self, action: str, limit_s: float, output_limit_bytes: int = 8192) -> Ran:
        parameters = {"action": action, **self._options.parameters, **self._secrets}
        told = "".join(f"{key}={_text(value)}\n" for key, value in parameters.items())
        try:
            return await run(
                [self._program], environment(), limit_s=limit_s, stdin=told, output_limit_bytes=output_limit_bytes
            )
        except OSError as error:
            what = f"the agent cannot be run: {error.strerror or error}"
            raise FenceError(what, where=self.name, hint=self._program) from error

    def _why(self, ran: Ran) -> str:
        """How it ended, without a secret; struck out before anything is cut off."""
        secrets = self._secrets.values()
        limit = METADATA_LIMIT_BYTES
        clean = Ran(
            code=ran.code,
            output=without(secrets, ran.output, limit),
            errors=without(secrets, ran.errors, limit),
        )
        return clean.why

    def _hint(self, node: str) -> str:
        return f"see that {node} is off, then: bascule cluster fence {node} --confirmed"


def _text(value: str | int | bool) -> str:
    """Agents know `1` and `0`; TOML has true and false."""
    return str(int(value)) if isinstance(value, bool) else str(value)
