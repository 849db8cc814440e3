"""Whether a process may inject anything: only if it was started so, and not in production. Pure.

In doubt it may not: one marker that says production is enough, whatever the others say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from bascule.kernel.errors import InputError

OPT_IN = "BASCULE_INJECT"
ALLOWED = "allowed"
UNLOCK = "BASCULE_INJECT_IN_PRODUCTION"
MORE_MARKERS = "BASCULE_INJECT_MARKERS"
SERVICES = ("BASCULE_SERVICE", "OTEL_SERVICE_NAME")

MARKERS = (
    "BASCULE_ENVIRONMENT", "ENVIRONMENT", "ENV", "APP_ENV", "APP_ENVIRONMENT", "DEPLOY_ENV", "DEPLOYMENT_ENVIRONMENT",
    "STAGE", "DJANGO_ENV", "DJANGO_SETTINGS_MODULE", "FLASK_ENV", "FASTAPI_ENV", "PYTHON_ENV", "DD_ENV",
    "SENTRY_ENVIRONMENT",
)  # fmt: skip
"""Variables that say where a process runs."""

PRODUCTION = frozenset({"prod", "production", "live"})
"""Words that mean production, alone or as a part: `prod-eu` and `shop.settings.production` do too."""

_WORDS = re.compile(r"[^a-z0-9]+")


class InjectionRefusedError(InputError):
    """Nothing may be injected into this process; nothing was switched on."""


def told(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """What the environment says of injecting, and of these names; the rest of it, secrets included, is left there."""
    more = environment.get(MORE_MARKERS, "").replace(",", " ").split()
    wanted = (OPT_IN, UNLOCK, MORE_MARKERS, *SERVICES, *names, *more)
    return {name: environment[name] for name in wanted if name in environment}


def is_opted_in(started: Mapping[str, str]) -> bool:
    """Whether the process was started to allow it."""
    return started.get(OPT_IN) == ALLOWED


def service_of(environment: Mapping[str, str]) -> str:
    """The service's name as the environment tells it; empty if it does not."""
    return next((environment[name] for name in SERVICES if environment.get(name)), "")


def production_marker(environment: Mapping[str, str], markers: Collection[str] = MARKERS) -> str:
    """The variable that says production, as `NAME=value`; empty if none does.

    Args:
        environment: Variables by name.
        markers: The names to look at, besides those that `BASCULE_INJECT_MARKERS` adds, separated by commas.
    """
    for name in (*markers, *environment.get(MORE_MARKERS, "").replace(",", " ").split()):
        value = environment.get(name, "")
        if not PRODUCTION.isdisjoint(_WORDS.split(value.lower())):
            return f"{name}={value}"
    return ""


def check(started: Mapping[str, str], now: Mapping[str, str], service: str, markers: Collection[str] = MARKERS) -> None:
    """Let a process inject that was started to do so, and that does not run in production.

    Args:
        started: The environment at the start; only this can allow or unlock.
        now: The environment as it is; this can refuse too, since settings are often loaded after the start.
        service: The name of the service, which the word that unlocks production must be.
        markers: Variables that say where the process runs.

    Raises:
        InjectionRefusedError: It may not; the message says why, and what would let it.
    """
    if not is_opted_in(started):
        raise InjectionRefusedError(
            "nothing may be injected: this process was not started to allow it",
            hint=f"start it with {OPT_IN}={ALLOWED}",
        )
    marker = production_marker(started, markers) or production_marker(now, markers)
    if not marker or (service and started.get(UNLOCK) == service):
        return
    raise InjectionRefusedError(
        f"nothing may be injected in production, and {marker} says that this is production",
        hint=f"start it with {UNLOCK}={service}" if service else f"name the service in {SERVICES[0]}",
    )
