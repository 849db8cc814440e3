"""The way to an agent: on this machine a pipe, on another one `ssh`, which stays open, so that an order takes one turn.

`ssh` gets an argument list, asks nobody anything, and believes no host that it does not know. What it runs there is one
fixed command; everything else travels as data on its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bascule.kernel.errors import FaultError, MissingProgramError
from bascule.outside.address import Machine
from bascule.outside.shipping import BOOTSTRAP, parcel

CONNECT_LIMIT_S = 20.0
ANSWER_LIMIT_S = 30.0
END_LIMIT_S = 10.0
MAX_ANSWER_BYTES = 4 * 2**20
_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=3",
    "ServerAliveCountMax=3",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "UpdateHostKeys=no",
    "RequestTTY=no",
    "EscapeChar=none",
    "LogLevel=ERROR",
)


def here(run: str) -> tuple[str, ...]:
    """How the agent is started on this machine."""
    return (sys.executable, "-I", "-S", "-c", BOOTSTRAP, "bascule-agent", run)


def there(machine: Machine, run: str, config: str = "") -> tuple[str, ...]:
    """How the agent is started on another machine.

    Args:
        machine: As ssh knows it.
        run: Name of the run, so that people there see what it is.
        config: A configuration file of ssh, instead of the user's own.

    Raises:
        MissingProgramError: There is no ssh here.
    """
    program = shutil.which("ssh")
    if program is None:
        raise MissingProgramError("ssh is not on PATH", hint="install the OpenSSH client")
    # `exec`: no shell stands between sshd and the agent. Any login shell takes these quotes as they are meant.
    command = f"exec {shlex.join(('python3', '-I', '-c', BOOTSTRAP, 'bascule-agent', run))}"
    argv = [program, "-T", *(["-F", config] if config else [])]
    for option in _OPTIONS:
        argv += ["-o", option]
    argv += ["-p", str(machine.port)] if machine.port else []
    argv += ["-l", machine.user] if machine.user else []
    return (*argv, "--", machine.host.strip("[]"), command)


class Link:
    """An agent that was started and is asked: one order, one answer.

    Args:
        argv: What starts it.
        where: What messages call the place.

    Raises:
        FaultError: It did not start, and why.
    """

    def __init__(self, argv: tuple[str, ...], where: str) -> None:
        self._where = where
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the link
        self._rest = b""
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                cwd="/",
                start_new_session=True,  # Ctrl-C at the terminal is for us: what is undone then needs this link
            )
        except OSError as error:
            self._complaints.close()
            raise FaultError(f"the agent could not be started: {error}", where=where) from error
        try:
            self._write(parcel())
            self._answer(CONNECT_LIMIT_S)
        except BaseException:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether orders still reach it, as far as can be known without asking."""
        pipe = self._process.stdin
        return pipe is not None and not pipe.closed and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process at this end."""
        return self._process.pid

    def ask(self, do: str, **order: object) -> Any:  # noqa: ANN401 - whatever JSON can say
        """Give one order and return what it answered.

        Raises:
            FaultError: It cannot be done there; or the link is gone, and then `is_open` is False.
        """
        try:
            self._write(json.dumps({"do": do, **order}).encode() + b"\n")
            return self._answer(ANSWER_LIMIT_S)
        except FaultError:
            raise
        except BaseException:  # Ctrl-C between an order and its answer: nobody would know whose the next answer is
            self.cut()
            raise

    def _write(self, data: bytes) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise self._gone()
        deadline_s = time.monotonic() + CONNECT_LIMIT_S
        os.set_blocking(pipe.fileno(), False)
        while data:
            if not select.select([], [pipe], [], max(0.0, deadline_s - time.monotonic()))[1]:
                self.cut()
                raise FaultError("the far side takes no more orders", where=self._where, hint=_HINT)
            try:
                data = data[os.write(pipe.fileno(), data) :]
            except BrokenPipeError as error:
                raise self._gone() from error

    def _answer(self, limit_s: float) -> Any:  # noqa: ANN401 - whatever JSON can say
        pipe = self._process.stdout
        deadline_s = time.monotonic() + limit_s
        while b"\n" not in self._rest:
            if pipe is None or pipe.closed:
                raise self._gone()
            if not select.select([pipe], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
                self.cut()
                raise FaultError(f"no answer within {limit_s:.0f} s", where=self._where, hint=_HINT)
            part = os.read(pipe.fileno(), 65536)
            self._rest += part
            if not part or len(self._rest) > MAX_ANSWER_BYTES:
                raise self._gone()
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            told = json.loads(line)
            error, hint, done = told.get("error", ""), told.get("hint", ""), told.get("done")
        except (ValueError, AttributeError) as problem:
            self.cut()
            said = line[:100].decode(errors="replace")
            hint = "nothing may be printed by the login shell's start files"
            raise FaultError(f"what answers is no agent: {said!r}", where=self._where, hint=hint) from problem
        if error:
            raise FaultError(str(error), where=self._where, hint=str(hint))
        return done

    def _gone(self) -> FaultError:
        """Why there is nobody at the other end."""
        if self._complaints.closed:
            return FaultError("the link was closed", where=self._where)
        self.cut()
        self._complaints.seek(0)
        said = self._complaints.read(2000).decode(errors="replace").strip().splitlines()
        code = self._process.returncode
        if code == _NOT_FOUND:
            return FaultError("python3 is not there, and the agent needs it", where=self._where, hint="install python3")
        what = said[-1] if said else f"the link ended ({code})"
        return FaultError(f"the agent is not reached: {what}", where=self._where, hint=_HINT)

    def cut(self) -> None:
        """End it at once; the agent undoes what it holds when it notices."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        if self._process.poll() is None and self._is_ssh:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Say goodbye: the agent undoes whatever it still holds, and ends. Once more does no harm."""
        if self.is_open:
            with contextlib.suppress(FaultError):  # it is gone already
                self._write(b'{"do": "goodbye"}\n')
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            if self._is_ssh:
                self._process.kill()
                self._process.wait()
        self._complaints.close()

    @property
    def _is_ssh(self) -> bool:
        """An agent that is our own child is never killed: it goes on undoing."""
        return Path(str(self._process.args[0])).name == "ssh"  # type: ignore[index]  # it was given a tuple


_NOT_FOUND = 127
_HINT = "what it holds is undone there when nobody renews it; bascule chaos recover RUN_DIR says how it stands"
