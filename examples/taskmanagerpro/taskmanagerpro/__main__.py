"""Runs one replica until it is told to end, and then ends without dropping a request."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop

from taskmanagerpro import settings
from taskmanagerpro.database import Database
from taskmanagerpro.health import Health
from taskmanagerpro.sessions import Sessions
from taskmanagerpro.web import application

DRAIN_S = 1.0
FINISH_S = 5


class Replica(uvicorn.Server):
    """A server that, once told to end, says "not ready" for as long as a proxy needs to notice, and only then stops."""

    def __init__(self, config: uvicorn.Config, health: Health) -> None:
        super().__init__(config)
        self._health = health
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: drain, then stop. Second: stop now."""
        if self._health.draining:
            super().handle_exit(sig, frame)
            return
        self._health.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, DRAIN_S, super().handle_exit, sig, frame)


async def serve(told: settings.Settings, session_password: str) -> None:
    """Serve until a signal."""
    database = Database(told)
    health = Health(database)
    app = application(database, Sessions(told.session_hosts, session_password), health)
    host, port = told.listen
    config = uvicorn.Config(
        app,
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
        timeout_graceful_shutdown=FINISH_S,
    )
    await Replica(config, health).serve()


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
