"""The parts of the HTML page, one function each; every string from outside is escaped on its way in. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from bascule.drill.claiming import claim_text
from bascule.drill.render_chart import chart, description
from bascule.drill.render_glossary import GLOSSARY, LOAD
from bascule.drill.render_terminal import probability_text, quantiles_text, rto_range_text
from bascule.drill.render_timeline import Entry, entries, fault_at_s
from bascule.drill.render_topology import topology
from bascule.drill.render_words import (
    PART_NAMES,
    clean,
    headline,
    number_text,
    objective_text,
    outcome_text,
    part_texts,
    report_headline,
    resolution_text,
    result_text,
    utc_text,
    value_text,
)
from bascule.drill.report import Machine, Report, Statistic, Trial
from bascule.measure.verdict import Measure

MANY_EVENTS = 40
_SIGNS = {"PASS": "✔", "FAIL": "✘", "INVALID": "?", "ABORTED": "■", "SKIPPED": "-", "not judged": "?"}


def text(value: str) -> str:
    """The text, harmless inside an element and inside a quoted attribute."""
    return escape(clean(value), quote=True)


def embedded_json(value: object) -> str:
    """JSON that no text in it can lead out of its `<script>` element."""
    plain = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def head(report: Report) -> str:
    """Who was tested, what came of it, what was promised, and an overview with a link to every trial."""
    about = [f"started {utc_text(report.started_wall_s)}", f"took {number_text(report.duration_s, 's')}"]
    about += [f"seed {report.seed}", f"bascule {report.version}" if report.version else ""]
    claim = f"<p class=headline>Claim {text(claim_text(report.claimed))}</p>" if report.claimed else ""
    command = f"<p class=small><code>{text(report.command)}</code></p>" if report.command else ""
    return (
        f'<header class="{report.outcome}"><div class=top>{_badge(report.outcome)}<h1>{text(report.system)}</h1></div>'
        f"<p class=headline>{text(report_headline(report))}</p>{claim}"
        f'<p class="quiet small">{text(" · ".join(filter(None, about)))}</p>{command}'
        f"<h3>What was promised</h3>{_list(report.objectives, css='promises')}{_overview(report)}</header>"
    )


def trial_section(trial: Trial, number: int) -> str:
    """Everything about one trial: the verdict, its numbers, the timeline, what happened, the topology, the events."""
    outcome = outcome_text(trial)
    offered = ", ".join(f"{count:,} operations from {client}" for client, count in trial.offered.items())
    aim = f"aimed at {trial.target}" if trial.target else ""
    scope = f"tests the promise for the loss of one {trial.scope}" if trial.scope else ""
    about = " · ".join(filter(None, (trial.experiment, aim, scope, offered)))
    body = (
        f"<div class=top>{_badge(outcome)}<h2>{text(trial.title or trial.experiment)}</h2></div>"
        f'<p class=headline>{text(headline(trial))}</p><p class="quiet small">{text(about)}</p>'
    )
    if not trial.skipped:
        body += _parts(trial) + _measures(trial) + _reasons(trial) + _timeline(trial, number) + _story(trial)
        body += _pictures(trial) + _events(trial)
    return f'<section class="trial {outcome}" id="trial-{number}">{body}</section>'


def statistics_section(statistics: Sequence[Statistic]) -> str:
    """What several trials of one experiment say together; empty when there was one of each."""
    if not statistics:
        return ""
    columns = ("Experiment", "#Met", "#Probability to meet it", "#RTO shortest / median / longest", "Upper bounds")
    rows = "".join(
        f"<tr><th scope=row>{text(one.experiment)}</th><td class=number>{one.met} of {one.trials}</td>"
        f"<td class=number>{text(probability_text(one))}</td><td class=number>{text(rto_range_text(one))}</td>"
        f"<td>{text(quantiles_text(one))}</td></tr>"
        for one in statistics
    )
    caption = "In how many trials the objective was met, with the Clopper-Pearson interval"
    return f"<section><h2>Over all trials</h2>{_table(caption, columns, rows)}</section>"


def machine_section(machine: Machine) -> str:
    """On what it was measured: the machine and every program's version."""
    facts = {
        "Kernel": machine.kernel,
        "Processors": str(machine.processors),
        "Memory": f"{machine.memory_mib:,} MiB",
        "Python": machine.python,
        "Hosts made of": {"namespaces": "network namespaces", "loopback": "loopback addresses"}[machine.platform],
        **machine.programs,
    }
    rows = "".join(f"<tr><th scope=row>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in facts.items())
    table = _table("The machine and the programs", (), rows, css="machine", hidden=True)
    return f"<section><h2>Measured on</h2>{table}</section>"


def glossary_section() -> str:
    """How each number is measured."""
    terms = "".join(f"<dt>{text(term)}</dt><dd>{text(meaning)}</dd>" for term, meaning in GLOSSARY.items())
    return f"<section><h2>How each number is measured</h2><p>{text(LOAD)}</p><dl class=glossary>{terms}</dl></section>"


def _badge(outcome: str) -> str:
    return f'<span class="badge {outcome}">{_SIGNS[outcome]} {outcome}</span>'


def _overview(report: Report) -> str:
    rows = "".join(
        f'<tr class="{outcome_text(trial)}"><td>{_badge(outcome_text(trial))}</td>'
        f'<td><a href="#trial-{number}">{text(headline(trial).partition(" ")[2])}</a></td></tr>'
        for number, trial in enumerate(report.trials, 1)
    )
    return "<h3>What came of it</h3>" + _table("Every trial", (), rows, css="overview", hidden=True)


def _parts(trial: Trial) -> str:
    total, found = part_texts(trial.verdict)
    if not found:
        return ""
    bar = "".join(
        f'<span class="c{index}" style="flex:{part.seconds:.4f} 0 0" title="{text(part.name)} {said}"></span>'
        for index, (part, said) in enumerate(found, 1)
    )
    terms = " + ".join(
        f'<b><span class="swatch c{index}"></span>{text(part.name)} {said}</b>'
        for index, (part, said) in enumerate(found, 1)
    )
    sentence = f"<p class=sum>RTO <b>{total}</b> = {terms}</p>"
    return f"<div class=parts><div class=bar aria-hidden=true>{bar}</div>{sentence}</div>"


def _measures(trial: Trial) -> str:
    if not trial.verdict.measures:
        return ""
    rows = "".join(_measure(measure) for measure in trial.verdict.measures)
    columns = ("Measure", "#Measured", "#Promised", "Result", "Note")
    return "<h3>Verdict</h3>" + _table(f"Measures of {trial.experiment}", columns, rows, css="measures", hidden=True)


def _measure(measure: Measure) -> str:
    result = result_text(measure)
    tone = result.replace("not judged", "open")
    said = f'<span class="result {tone}">{_SIGNS[result]} {result}</span>' if result else ""
    part = " class=part" if measure.name in PART_NAMES else ""
    resolution = f"<span class=resolution>{text(resolution_text(measure))}</span>"
    return (
        f'<tr class="promised {tone}"><th scope=row{part}>{text(measure.title)}</th>'
        f"<td class=number><span class=value>{text(value_text(measure))}</span> {resolution}</td>"
        f"<td class=number>{text(objective_text(measure))}</td>"
        f"<td>{said}</td><td class=quiet>{text(measure.note)}</td></tr>"
    )


def _reasons(trial: Trial) -> str:
    return f"<h3>Why</h3>{_list(trial.verdict.reasons)}" if trial.verdict.reasons else ""


def _story(trial: Trial) -> str:
    return f"<h3>What happened</h3>{_list(trial.explanation)}" if trial.explanation else ""


def _timeline(trial: Trial, number: int) -> str:
    if not trial.bins:
        return ""
    alternative = text(description(trial))
    return (
        f'<h3>Timeline</h3><figure><div class=chart role=img data-chart="spec-{number}" aria-label="{alternative}">'
        "<noscript>The chart needs JavaScript; its numbers stand in the tables and in report.json.</noscript></div>"
        f'<figcaption class="quiet small">{text(_reading(trial))}</figcaption></figure>'
        f'<script type="application/json" id="spec-{number}">{embedded_json(chart(trial))}</script>'
    )


def _reading(trial: Trial) -> str:
    return (
        f"Each bar is {trial.bin_s:g} s of operations, at the time at which they were due. Dashed lines are the "
        "instants t0 to t5 and the heal; numbers are those of the list of events. Point at anything for its figures."
    )


def _pictures(trial: Trial) -> str:
    pictures = ""
    for title, nodes in (("Before", trial.before), ("After", trial.after)):
        if nodes:
            picture = f"<div class=scroll>{topology(nodes, title)}</div>"
            pictures += f"<figure><figcaption class=quiet>{title}</figcaption>{picture}</figure>"
    return f"<h3>Topology</h3>{pictures}" if pictures else ""


def _events(trial: Trial) -> str:
    found = entries(trial)
    if not found:
        return ""
    zero = "the fault" if fault_at_s(trial) is not None else "the start"
    rows = "".join(_event(entry) for entry in found)
    columns = ("Mark", f"#Since {zero}", "#Since the start", "Kind", "From", "What")
    table = _table("Events in time order", columns, rows, css="events", hidden=True)
    is_open = "" if len(found) > MANY_EVENTS else " open"
    return f"<details{is_open}><summary>Events ({len(found)})</summary>{table}</details>"


def _event(entry: Entry) -> str:
    css = " class=instant" if entry.kind == "instant" else ""
    return (
        f"<tr{css}><th scope=row>{text(entry.label)}</th><td class=number>{entry.shown_s:+.3f} s</td>"
        f"<td class=number>{entry.at_s:.3f} s</td><td>{text(entry.kind.replace('_', ' '))}</td>"
        f"<td>{text(entry.lane)}</td><td>{text(entry.text)}</td></tr>"
    )


def _table(caption: str, columns: Iterable[str], rows: str, *, css: str = "", hidden: bool = False) -> str:
    """A table; a column whose name begins with `#` holds numbers; a hidden caption is read aloud, not shown."""
    cells = "".join(
        f"<th scope=col{' class=number' if name.startswith('#') else ''}>{text(name.removeprefix('#'))}</th>"
        for name in columns
    )
    shown = "aloud" if hidden else "quiet"
    head_row = f"<thead><tr>{cells}</tr></thead>" if cells else ""
    return (
        f'<div class=scroll><table class="{css}"><caption class={shown}>{text(caption)}</caption>'
        f"{head_row}<tbody>{rows}</tbody></table></div>"
    )


def _list(items: Iterable[str], css: str = "") -> str:
    found = "".join(f"<li>{text(item)}</li>" for item in items)
    return f'<ul class="{css}">{found}</ul>' if found else "<p class=quiet>Nothing.</p>"
