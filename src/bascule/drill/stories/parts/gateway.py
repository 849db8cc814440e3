"""Passes on to a vault behind TLS whose certificate it was given once: `gateway ADDRESS PORT VAULT`."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time

from bascule.drill.stories.parts.web import BUSY, Page, Server

PATIENCE_S = 0.8


def trusted(host: str, port: int) -> ssl.SSLContext:
    """Trust the certificate that the vault shows first, and no other; wait until it shows one."""
    while True:
        try:
            shown = ssl.get_server_certificate((host, port), timeout=1.0)
        except OSError:
            time.sleep(0.1)
        else:
            return ssl.create_default_context(cadata=shown)


def page(host: str, port: int, context: ssl.SSLContext) -> type[Page]:
    """The pages of a gateway."""

    def ask(method: str, path: str) -> tuple[int, object]:
        line = http.client.HTTPSConnection(host, port, timeout=PATIENCE_S, context=context)
        try:
            line.request(method, path)
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            return BUSY, {"error": str(error)}
        finally:
            line.close()

    class Gateway(Page):
        """`GET /alive` says that it lives; everything else is asked of the vault."""

        def get(self, path: str) -> tuple[int, object]:
            """What the vault says."""
            return (200, {"ok": True}) if path == "/alive" else ask("GET", path)

        def post(self, path: str) -> tuple[int, object]:
            """Write through to the vault."""
            return ask("POST", path)

    return Gateway


def main(address: str, port: str, vault: str) -> None:
    """Serve, once the vault is trusted."""
    host, _, number = vault.rpartition(":")
    Server((address, int(port)), page(host, int(number), trusted(host, int(number)))).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
