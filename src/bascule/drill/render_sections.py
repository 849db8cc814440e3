"""The parts of the HTML page, one function each; every string from outside is escaped on its way in. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from bascule.drill.render_chart import chart, description
from bascule.drill.render_glossary import GLOSSARY, LOAD
from bascule.drill.render_terminal import probability_text, quantiles_text, rto_range_text
from bascule.drill.render_timeline import Entry, entries, fault_at_s
from bascule.drill.render_topology import topology
from bascule.drill.render_words import (
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
_PARTS = {"detection", "failover", "client", "client_recovery"}
_SIGNS = {"PASS": "✔", "FAIL": "✘", "INVALID": "?", "ABORTED": "■", "SKIPPED": "–", "not judged": "?"}


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
    command = f"<p class=small><code>{text(report.command)}</code></p>" if report.command else ""
    return (
        f'<header class="{report.outcome}"><div class=top>{_badge(report.outcome)}<h1>{text(report.system)}</h1></div>'
        f"<p class=headline>{text(report_headline(report))}</p>"
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
    rows = "".join(
        f"<tr><th scope=row>{text(one.experiment)}</th><td class=number>{one.met} of {one.trials}</td>"
        f"<td class=number>{text(probability_text(one))}</td><td class=number>{text(rto_range_text(one))}</td>"
        f"<td>{text(quantiles_text(one))}</td></tr>"
        for one in statistics
    )
    return (
        "<section><h2>Over all trials</h2><div class=scroll><table><caption class=quiet>In how many trials the objective was met, "
        "with the Clopper-Pearson interval of its probability</caption>"
        f"{_columns('Experiment', '#Met', '#Probability to meet it', '#RTO shortest / median / longest', 'Upper bounds')}"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


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
    return f"<section><h2>Measured on</h2><table><caption class=quiet>The machine and the programs</caption><tbody>{rows}</tbody></table></section>"


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
    return (
        f"<h3>What came of it</h3><table><caption class=quiet hidden>Every trial</caption><tbody>{rows}</tbody></table>"
    )


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
    return f"<div class=parts><div class=bar aria-hidden=true>{bar}</div><p class=sum>RTO <b>{total}</b> = {terms}</p></div>"


def _measures(trial: Trial) -> str:
    if not trial.verdict.measures:
        return ""
    rows = "".join(_measure(measure) for measure in trial.verdict.measures)
    columns = _columns("Measure", "#Measured", "#Promised", "Result", "Note")
    return f"<h3>Verdict</h3><div class=scroll><table><caption class=quiet hidden>Measures of {text(trial.experiment)}</caption>{columns}<tbody>{rows}</tbody></table></div>"


def _measure(measure: Measure) -> str:
    result = result_text(measure)
    resolution = resolution_text(measure)
    part = " class=part" if measure.name in _PARTS else ""
    said = (
        f'<span class="result {result.replace("not judged", "open")}">{_SIGNS[result]} {result}</span>'
        if result
        else ""
    )
    return (
        f'<tr class="{"promised " + result if result in {"PASS", "FAIL"} else ""}"><th scope=row{part}>{text(measure.title.strip())}</th>'
        f"<td class=number><span class=value>{text(value_text(measure))}</span> <span class=resolution>{text(resolution)}</span></td>"
        f"<td class=number>{text(objective_text(measure))}</td><td>{said}</td><td class=quiet>{text(measure.note)}</td></tr>"
    )


def _reasons(trial: Trial) -> str:
    return f"<h3>Why</h3>{_list(trial.verdict.reasons)}" if trial.verdict.reasons else ""


def _story(trial: Trial) -> str:
    return f"<h3>What happened</h3>{_list(trial.explanation)}" if trial.explanation else ""


def _timeline(trial: Trial, number: int) -> str:
    if not trial.bins:
        return ""
    return (
        f'<h3>Timeline</h3><figure><div class=chart role=img data-chart="spec-{number}" aria-label="{text(description(trial))}">'
        "<noscript>The chart needs JavaScript; every number of it stands in the tables and in report.json.</noscript></div>"
        f'<figcaption class="quiet small">{text(_reading(trial))}</figcaption></figure>'
        f'<script type="application/json" id="spec-{number}">{embedded_json(chart(trial))}</script>'
    )


def _reading(trial: Trial) -> str:
    return (
        f"Each bar is {trial.bin_s:g} s of operations, placed at the time at which they were due. Dashed lines are the instants t0 "
        "to t5; numbers are those of the list of events. Point at anything for its figures."
    )


def _pictures(trial: Trial) -> str:
    pictures = ""
    for title, nodes in (("Before", trial.before), ("After", trial.after)):
        if nodes:
            pictures += f"<figure><figcaption class=quiet>{title}</figcaption><div class=scroll>{topology(nodes, title)}</div></figure>"
    return f"<h3>Topology</h3>{pictures}" if pictures else ""


def _events(trial: Trial) -> str:
    found = entries(trial)
    if not found:
        return ""
    zero = "the fault" if fault_at_s(trial) is not None else "the start"
    rows = "".join(_event(entry) for entry in found)
    columns = _columns("Mark", f"#Since {zero}", "#Since the start", "Kind", "From", "What")
    return (
        f"<details{'' if len(found) > MANY_EVENTS else ' open'}><summary>Events ({len(found)})</summary><div class=scroll>"
        f"<table class=events><caption class=quiet hidden>Events in time order</caption>{columns}<tbody>{rows}</tbody></table></div></details>"
    )


def _event(entry: Entry) -> str:
    css = " class=instant" if entry.kind == "instant" else ""
    return (
        f"<tr{css}><th scope=row>{text(entry.label)}</th><td class=number>{entry.shown_s:+.3f} s</td>"
        f"<td class=number>{entry.at_s:.3f} s</td><td>{text(entry.kind.replace('_', ' '))}</td>"
        f"<td>{text(entry.lane)}</td><td>{text(entry.text)}</td></tr>"
    )


def _columns(*names: str) -> str:
    cells = "".join(
        f"<th scope=col class=number>{text(name[1:])}</th>"
        if name.startswith("#")
        else f"<th scope=col>{text(name)}</th>"
        for name in names
    )
    return f"<thead><tr>{cells}</tr></thead>"


def _list(items: Iterable[str], css: str = "") -> str:
    found = "".join(f"<li>{text(item)}</li>" for item in items)
    return f'<ul class="{css}">{found}</ul>' if found else "<p class=quiet>Nothing.</p>"
