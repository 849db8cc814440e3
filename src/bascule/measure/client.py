"""The load client as a process of its own, so that it runs on a host of the lab and its lag is nobody else's.

::

    python -m bascule.measure.client PLAN.json              offer the load until SIGTERM
    python -m bascule.measure.client audit PLAN.json OUT    read what is stored at the end

Exit code 0, or 2 with one line on stderr.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from bascule.kernel.errors import BasculeError, InputError, LabError
from bascule.measure.final_audit import audit, write_audit
from bascule.measure.ledger import Ledger
from bascule.measure.load_http import HttpLoad
from bascule.measure.load_postgresql import PostgresqlLoad
from bascule.measure.open_loop import Load, OpenLoop
from bascule.measure.plan import Plan, decode

USAGE = "python -m bascule.measure.client PLAN.json | audit PLAN.json OUT.json"


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code."""
    try:
        match arguments:
            case ["audit", path, out]:
                _run(_audit(_plan(path), Path(out)))
            case [path]:
                _run(offer(_plan(path)))
            case _:
                raise InputError("unknown arguments", hint=USAGE)
    except BasculeError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the process's whole interface to people
        return error.exit_code
    return 0


async def offer(plan: Plan) -> None:
    """Offer the load until SIGTERM or SIGINT, or until the plan's count; leave every record on disk.

    Raises:
        BasculeError: The system never got ready, or a file cannot be written.
    """
    ledger = Ledger(plan)
    load: Load = PostgresqlLoad(plan, ledger) if plan.protocol == "postgresql" else HttpLoad(plan, ledger)
    run = OpenLoop(plan, load, ledger)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, run.stop)
    broken: list[str] = []

    def halt(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        broken.append(f"{context.get('message', 'error')}: {context.get('exception')!r}")
        run.stop()

    loop.set_exception_handler(halt)
    gc.freeze()  # what was imported is never garbage: collections then stay short
    try:
        await run.run()
        if broken:
            raise LabError(f"the load client broke: {broken[0]}", hint="its records are not to be trusted")
    except BasculeError as error:
        ledger.error = str(error)
        raise
    finally:
        await load.close()
        ledger.close()


async def _audit(plan: Plan, out: Path) -> None:
    write_audit(await audit(plan), out)


def _plan(path: str) -> Plan:
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the plan: {error.strerror}", where=path) from error
    return decode(text, path)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 - optional: it halves the cost of an operation where it is installed
    except ImportError:
        asyncio.run(coroutine)
    else:
        uvloop.run(coroutine)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
