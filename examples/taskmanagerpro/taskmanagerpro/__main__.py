"""Runs one replica until it is told to end, and then ends without dropping a request."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import uvicorn
import uvloop

from bascule.guard import FACTS, Bulkhead
from bascule.guard.http import GuardMiddleware
from bascule.health import AsyncLeave
from bascule.telemetry.log import LogFacts
from taskmanagerpro import settings
from taskmanagerpro.database import Database
from taskmanagerpro.health import Probes
from taskmanagerpro.sessions import Sessions
from taskmanagerpro.web import application

DRAIN_S = 1.0
FINISH_S = 5.0
AT_A_TIME = 500
"""Requests beyond so many wait for nothing but each other, and are told at once to come back."""


async def serve(told: settings.Settings, session_password: str) -> None:
    """Serve until a signal; then say "not ready" for as long as a proxy needs to notice, finish what was begun, end."""
    database, sessions = Database(told), Sessions(told.session_hosts, session_password)
    probes = Probes(database)
    leave = AsyncLeave(probes.health, drain_s=DRAIN_S, finish_s=FINISH_S)
    leave.closer("sessions", sessions.close)
    leave.closer("database", database.close)
    app = GuardMiddleware(application(database, sessions, probes), Bulkhead(AT_A_TIME))
    FACTS.subscribe(LogFacts())
    host, port = told.listen
    config = uvicorn.Config(
        leave.asgi(app),
        host=host,
        port=port,
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    server = uvicorn.Server(config)
    leave.uvicorn(server)
    async with leave:
        await server.serve()


def main() -> int:
    """Run a replica as the environment says; 2 when it says something impossible."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        told = settings.read(os.environ)
        password = Path(told.session_passfile).read_text().strip() if told.session_passfile else ""
    except (settings.SettingsError, OSError) as error:
        logging.getLogger(__name__).error("cannot start: %s", error)  # noqa: TRY400 (the message says it all)
        return 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(told, password))
    return 0


if __name__ == "__main__":
    sys.exit(main())
