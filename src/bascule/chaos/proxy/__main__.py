"""The proxy process: `python -m bascule.chaos.proxy --socket PATH`. It says `ready` when it may be asked."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
from ipaddress import ip_address
from pathlib import Path

from bascule.chaos.proxy.control import Control
from bascule.chaos.proxy.proxy import Proxies
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import BasculeError

with contextlib.suppress(ImportError):
    import uvloop


def main() -> None:
    """Serve until SIGTERM, SIGINT, or the end of the owner; exit code 2 when it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m bascule.chaos.proxy", description="a TCP proxy with toxics")
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="where it listens for commands")
    parser.add_argument(
        "--allow-listen",
        type=ip_address,
        action="append",
        default=[],
        metavar="ADDRESS",
        help="an address beyond the loopback on which proxies may listen; may be given several times",
    )
    parser.add_argument("--seed", type=int, help="makes the luck of toxicity and jitter come again")
    parser.add_argument("--until-eof", action="store_true", help="end when the standard input ends")
    chosen = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection takes two descriptors
    seed = chosen.seed if chosen.seed is not None else int.from_bytes(os.urandom(8), "big")
    allowed = frozenset(str(address) for address in chosen.allow_listen)
    work = serve(chosen.socket, SeededDice(seed), allowed, until_eof=chosen.until_eof)
    try:
        if "uvloop" in globals():
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(work)
        else:
            asyncio.run(work)
    except BasculeError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from None


async def serve(path: Path, dice: SeededDice, allowed: frozenset[str], *, until_eof: bool) -> None:
    """Answer at the control socket, and carry bytes, until it is told to end."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    proxies = Proxies(dice, allowed)
    control = Control(path, proxies.carry_out)
    await control.start()
    try:
        if until_eof:
            loop.add_reader(sys.stdin.fileno(), _end_at_eof, over)
        gc.freeze()  # what is loaded now stays: collecting it again and again would only make bytes late
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await over.wait()
    finally:
        proxies.close()
        await control.close()


def _end_at_eof(over: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        over.set()


if __name__ == "__main__":
    main()
