"""A prediction as one HTML file that opens anywhere, offline: it holds its own charts, runs nothing, loads nothing."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from bascule.availability.prediction import Prediction
from bascule.availability.render.advice import (
    assumptions_section,
    changes_section,
    measured_section,
    method_section,
    warnings_section,
)
from bascule.availability.render.markup import text
from bascule.availability.render.sections import (
    cut_sets_section,
    diagram_section,
    head,
    months_section,
    recovery_section,
    regions_section,
    survival_section,
    weights_section,
)
from bascule.availability.render.strategies import strategies_section
from bascule.availability.render.words import expected_text
from bascule.system.model import System


def html(prediction: Prediction, system: System) -> str:
    """The whole page. Its content security policy admits its one style sheet by hash, no script and no request at all.

    Args:
        prediction: What is shown.
        system: The system that it is of: the block diagram shows where its replicas stand.
    """
    body = "".join(
        (
            head(prediction),
            diagram_section(prediction, system),
            months_section(prediction),
            changes_section(prediction),
            weights_section(prediction),
            regions_section(prediction),
            survival_section(prediction),
            recovery_section(prediction),
            cut_sets_section(prediction),
            strategies_section(prediction),
            assumptions_section(prediction),
            warnings_section(prediction),
            measured_section(prediction),
            method_section(prediction),
        )
    )
    style = resources.files("bascule.availability.render").joinpath("page.css").read_text(encoding="utf-8")
    title = f"{prediction.system} - {expected_text(prediction.uptime, prediction.target)} expected"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{style}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
