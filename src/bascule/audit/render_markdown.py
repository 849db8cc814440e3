"""An audit as Markdown, for a comment below a change: a summary, then the findings of each file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from bascule.audit.result import Audit, Finding
from bascule.audit.visible import address, counted, markdown, visible

MOST_FINDINGS = 100
"""More than these in one comment nobody reads; the rest is counted."""
_BACKTICKS = re.compile("`+")


def page(audit: Audit) -> str:
    """The page; nothing that was read has an effect in it."""
    return "\n".join(_lines(audit)) + "\n"


def _lines(audit: Audit) -> Iterator[str]:
    counts = {severity: count for severity, count in audit.counts().items() if count}
    yield f"## Audit: {', '.join(f'{count:,} {severity}' for severity, count in counts.items()) or 'no findings'}"
    yield ""
    yield _summary(audit)
    shown = audit.findings[:MOST_FINDINGS]
    for file, findings in groupby(shown, key=lambda one: one.place.file):
        yield ""
        yield f"### {markdown(file)}"
        for one in findings:
            yield ""
            yield from _finding(one)
    if len(audit.findings) > len(shown):
        yield ""
        yield f"And {counted(len(audit.findings) - len(shown), 'more finding')}."


def _summary(audit: Audit) -> str:
    system = f" against the promises of {markdown(audit.system)}" if audit.system else ""
    parts = [f"{counted(audit.files, 'file')} read{system}"]
    parts += [f"{len(audit.suppressed):,} suppressed"] if audit.suppressed else []
    parts += [f"{len(audit.known):,} in the baseline"] if audit.known else []
    return f"{'; '.join(parts)}."


def _finding(one: Finding) -> Iterator[str]:
    subject = f" {markdown(one.subject)}:" if one.subject else ""
    yield f"- **{one.severity}** `{one.rule}` line {one.place.line}:{subject} {markdown(one.what)}"
    yield ""
    if one.line.strip():
        code = visible(one.line.replace("\t", " "), most=200)
        fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(code)), default=0))
        yield f"  {fence}text"
        yield f"  {code}"
        yield f"  {fence}"
        yield ""
    broken = f" Breaks: {markdown(', '.join(one.breaks))}." if one.breaks else ""
    known = address(one.source)
    source = f"[{markdown(one.source)}]({known})" if known else markdown(one.source)
    yield f"  {markdown(one.why)}{broken} **Fix:** {markdown(one.fix)} ({source})"
