"""The probes as three rules of a Flask application, which is all that this module knows about Flask."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from bascule.health.answer import METHODS, answer_of, check_prefix
from bascule.health.check import PROBES, Probe

if TYPE_CHECKING:
    from bascule.health.health import Health

Told = tuple[bytes, int, list[tuple[str, str]]]


class FlaskApp(Protocol):
    """What is asked of Flask: `Flask` and `Blueprint` have it."""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,  # noqa: ANN401 - Flask's own type for it would be an import of Flask
        provide_automatic_options: bool | None = None,
        **options: Any,  # noqa: ANN401 - werkzeug's options
    ) -> None:
        """Route a path to a function."""
        ...


def mount(health: Health, app: FlaskApp, prefix: str) -> None:
    """Route the three paths; Flask itself answers other methods with 405."""
    check_prefix(prefix)
    for probe in PROBES:
        app.add_url_rule(
            f"{prefix}/{probe}",
            endpoint=f"bascule_health_{probe}",
            view_func=_view(health, probe),
            provide_automatic_options=False,
            methods=list(METHODS),
        )


def _view(health: Health, probe: Probe) -> Callable[[], Told]:
    def view() -> Told:
        answer = answer_of(health.ask(probe), errors=health.errors)
        return answer.body, answer.status, list(answer.headers)

    return view
