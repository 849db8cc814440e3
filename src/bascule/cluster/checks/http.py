"""A service is well while a page of it answers with 2xx."""

from __future__ import annotations

from msgspec import Struct

from bascule.cluster.checks.asking import Questions, UnansweredError, check_url
from bascule.cluster.checks.limits import check_timeout
from bascule.cluster.checks.port import Health
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="http"):
    """Which page must answer.

    Attributes:
        url: By IP address: `http://127.0.0.1:8080/ready`. Redirects are not followed: they are no 2xx.
        timeout: Limit from the connection to the headers of the answer; its body is not read. Up to a minute.
        host: The name that the server is asked for, and that its certificate must have.
        ca_file: PEM of whom to trust; empty: whom the machine trusts.
    """

    url: str
    timeout: Duration = Duration(1.0)
    host: str = ""
    ca_file: str = ""


def make(options: Options) -> HttpCheck:
    """The check; nothing is asked yet.

    Raises:
        InputError: An option is impossible.
    """
    check_url(options.url, where="url")
    check_timeout(options.timeout)
    if len(options.host) > 253 or not options.host.isascii() or not options.host.isprintable() or " " in options.host:
        raise InputError(f"{options.host[:80]!r} is no name of a host", where="host")
    return HttpCheck(options)


class HttpCheck:
    """GET, on a new connection each time: a server that takes no more of them is not well."""

    def __init__(self, options: Options) -> None:
        self._url = options.url
        timeout_s = options.timeout.seconds
        self._questions = Questions(timeout_s=timeout_s, host=options.host, ca_file=options.ca_file)

    async def check(self) -> Health:
        """How the page answers now; never raises."""
        try:
            answer = await self._questions.ask("GET", self._url, reads=False)
        except UnansweredError as error:
            return Health(ok=False, why=str(error))
        return Health(ok=answer.is_good, why="" if answer.is_good else f"status {answer.status}")
