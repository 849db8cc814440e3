"""A ledger behind TLS, with a certificate of its own that is valid for 90 days: `vault ADDRESS PORT HEALTH_PORT`."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from pathlib import Path

from bascule.drill.stories.parts.ledger import Ledger
from bascule.drill.stories.parts.web import Server

VALID_DAYS = "90"


def certificate(address: str, directory: Path) -> tuple[Path, Path]:
    """Make a certificate for this address and its key, in this directory.

    Raises:
        SystemExit: There is no openssl that could.
    """
    crt, key = directory / "vault.crt", directory / "vault.key"
    names = f"subjectAltName=IP:{address}"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", str(key), "-out", str(crt))
    argv = ("openssl", "req", "-x509", *curve, "-days", VALID_DAYS, "-subj", "/CN=vault", "-addext", names, *files)
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise SystemExit(f"openssl makes no certificate: {error}") from error
    return crt, key


def main(address: str, port: str, health_port: str) -> None:
    """Serve behind TLS; and, for whoever watches it, without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(address, Path.cwd()))
    behind = Server((address, int(port)), Ledger)
    behind.socket = context.wrap_socket(behind.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    Server((address, int(health_port)), Ledger).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
