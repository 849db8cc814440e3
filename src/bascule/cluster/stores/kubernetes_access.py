"""How the API server is reached, and by whose word: from within a pod, or as the options say."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from bascule.cluster.stores.web import Tls, check_url
from bascule.kernel.errors import InputError, StoreError

POD_FILES = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_LIMIT_BYTES = 64 * 1024
TOKEN_AGE_S = 10.0
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="kubernetes"):
    """Which API server, which namespace, and by whose word. In a pod nothing needs to be said.

    Attributes:
        server: `https://10.0.0.1:6443`; where it is empty, the one of the cluster that this pod runs in.
        namespace: Where the Lease objects lie; where it is empty, the pod's own.
        token_file: A file with a token, read anew as it is rotated; where it is empty, the pod's service account.
        ca_file: Certificates (PEM) that are trusted; where it is empty, the pod's, else those of the machine.
        cert_file: A client certificate (PEM) instead of a token.
        key_file: Its key (PEM).
    """

    server: str = ""
    namespace: str = ""
    token_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class Access(Struct, frozen=True, kw_only=True):
    """What the options come to.

    Attributes:
        url: The API server.
        namespace: Where the objects lie.
        token_file: Empty where a certificate or a proxy speaks for us.
        tls: What is trusted, and our certificate.
    """

    url: str
    namespace: str
    token_file: str
    tls: Tls


def resolve(options: Options, environment: Mapping[str, str] = os.environ, pod: Path = POD_FILES) -> Access:
    """What the options come to on this machine.

    Args:
        options: What was said.
        environment: Where Kubernetes tells a pod the address of the API server.
        pod: Where Kubernetes mounts the service account.

    Raises:
        InputError: An option is impossible, or is left out and this is no pod.
    """
    is_pod = not options.server
    if bool(options.cert_file) != bool(options.key_file):
        raise InputError("a cert_file needs a key_file, and the other way round", where="cert_file")
    url = options.server
    if is_pod:
        host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise InputError("no server is named, and this is no pod of Kubernetes", where="server")
        url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    url = check_url(url, where="server")
    token_file = options.token_file or (str(pod / "token") if is_pod and not options.cert_file else "")
    if token_file and url.startswith("http:") and urlsplit(url).hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise InputError("a token is not sent without TLS", where="server", hint="write https://")
    namespace = options.namespace or (_line(pod / "namespace") if is_pod else "")
    if not _NAMESPACE.fullmatch(namespace):
        raise InputError(f"{namespace[:80]!r} is not a namespace", where="namespace", hint="name one")
    ca_file = options.ca_file or (str(pod / "ca.crt") if is_pod else "")
    tls = Tls(ca_file=ca_file, cert_file=options.cert_file, key_file=options.key_file)
    return Access(url=url, namespace=namespace, token_file=token_file, tls=tls)


class Token:
    """A token that is rotated under its readers.

    Args:
        path: Its file; empty where there is none.
        secrets: Takes every token that was read, for messages.
    """

    def __init__(self, path: str, secrets: list[str]) -> None:
        self._path = path
        self._secrets = secrets
        self._text = ""
        self._read_s = -math.inf

    def text(self, *, anew: bool = False) -> str:
        """The token, not older than some seconds; empty where there is none.

        Others may read its file: Kubernetes mounts it that way, in a file system that only the pod has.

        Args:
            anew: Read it now: the last one was refused.

        Raises:
            StoreError: The file cannot be read, or holds none.
        """
        now_s = time.monotonic()
        if self._path and (anew or now_s > self._read_s + TOKEN_AGE_S):
            text = _line(Path(self._path))
            if not text:
                raise StoreError("there is no token in it", where=self._path)
            self._text, self._read_s = text, now_s
            self._secrets[:] = [*self._secrets[-1:], text] if text not in self._secrets else self._secrets
        return self._text


def _line(path: Path) -> str:
    """The first line; empty where there is none that can be used."""
    try:
        with path.open("rb") as file:
            first = file.readline(TOKEN_LIMIT_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
    return first if first.isprintable() and " " not in first else ""
