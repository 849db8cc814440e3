"""A report as one HTML file that opens anywhere, offline: it holds its own charts and may load nothing."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from bascule.drill import page_script
from bascule.drill.render_sections import (
    glossary_section,
    head,
    machine_section,
    statistics_section,
    text,
    trial_section,
)
from bascule.drill.render_words import report_headline
from bascule.drill.report import Report


def html(report: Report) -> str:
    """The whole page. Its content security policy admits its one script by hash and no request at all.

    About 0.9 MB of it is the Vega bundle, once for all charts; a trial of a minute adds about 60 kB.
    """
    script = page_script.script() if any(trial.bins for trial in report.trials) else ""
    body = "".join(
        (
            head(report),
            *(trial_section(trial, number) for number, trial in enumerate(report.trials, 1)),
            statistics_section(report.statistics),
            machine_section(report.machine),
            glossary_section(),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>{text(report.system)} - {text(report_headline(report))}</title>"
        f"<style>{_file('render_page.css')}</style></head>\n<body><main>{body}</main>\n"
        f'<script type="module">{script}</script></body></html>\n'
    )


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _file(name: str) -> str:
    return resources.files("bascule.drill").joinpath(name).read_text(encoding="utf-8")
