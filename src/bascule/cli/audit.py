"""`bascule audit`: what in configuration files contradicts high availability, and the promises of a system file."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from msgspec import Struct

from bascule.audit import baseline as baselines
from bascule.audit import reading, technologies
from bascule.audit.auditing import audit as ask
from bascule.audit.estate import Estate
from bascule.audit.finding_files import STANDARD_INPUT
from bascule.audit.result import Audit
from bascule.audit.rule import Rule
from bascule.cli.audit_output import Format, emit_rules, explain_rule, rendered, show, write
from bascule.cli.audit_system import take_system
from bascule.kernel.errors import InputError

Gate = Literal["critical", "high", "medium", "low", "never"]


class _Question(Struct, frozen=True, kw_only=True):
    """What is to be audited, and by which rules."""

    paths: tuple[str, ...]
    system: str
    rules: tuple[Rule, ...]
    baseline: Path | None
    reports: tuple[Path, ...] = ()


def audit(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    system: Path | None = None,
    format_: Annotated[Format, Parameter(name="--format")] = "text",
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    output: Path | None = None,
    fail_on: Gate = "high",
    rule: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    list_: Annotated[bool, Parameter(name="--list")] = False,
    explain: str = "",
    fix: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    baseline: Path | None = None,
    write_baseline: Path | None = None,
    checklist: bool = False,
    report: tuple[Path, ...] = (),
) -> int:
    """Say what in configuration files contradicts high availability: where, why, and what to write instead.

    Directories are searched, `-` is standard input. With a system file, first or by --system, findings are held to
    what it promises.

    Exit codes: 0 no finding (with --checklist: no failed point) at the gate or above; 1 there is one; 2 the input
    cannot be used.

    Examples:
        bascule audit deploy/
        bascule audit bascule.yaml deploy/ haproxy.cfg
        helm template . | bascule audit -
        bascule audit deploy/ --format sarif --output audit.sarif
        bascule audit deploy/ --fix --dry-run
        bascule audit deploy/ --write-baseline audit-baseline.json
        bascule audit --explain BSC-FILE-002
        bascule audit bascule.yaml deploy/ --checklist --report bascule-runs/monday --report bascule-runs/tuesday

    Args:
        paths: Files, directories, or `-`; the current directory when there is none.
        system: The system file.
        format_: How findings are told.
        as_json: The same as --format json.
        output: Write the findings, or the checklist, there instead of on standard output.
        fail_on: The least severity that makes the exit code 1; a failed point of the checklist counts as high.
        rule: Ask only this rule; may be given several times.
        skip: Do not ask this rule; may be given several times.
        list_: List the rules, and audit nothing.
        explain: Explain one rule, and audit nothing.
        fix: Mend what can be mended safely; shows the change and asks first.
        dry_run: With --fix: show the change, write nothing.
        yes: With --fix: do not ask.
        baseline: Findings that this file has are counted, and not told.
        write_baseline: Write what is found to this file; such a run has exit code 0.
        checklist: Judge the field's checklist of high availability instead, by all rules and whatever is suppressed:
            proved, failed, or how to prove it.
        report: A drill's report, or its directory: evidence for the checklist, and figures for the prediction.
    """
    form: Format = "json" if as_json else format_
    unknown = [one for one in paths if one.startswith("-") and one != STANDARD_INPUT]
    if unknown:
        raise InputError(f"unknown option: {unknown[0]}", where="audit", hint="see bascule audit --help")
    if list_:
        return emit_rules(technologies.chosen(rule, skip), as_json=form == "json")
    if explain:
        return explain_rule(technologies.rule_of(explain), as_json=form == "json")
    _refuse(
        ((dry_run or yes) and not fix, "--dry-run and --yes belong to --fix"),
        (fix and write_baseline is not None, "--fix and --write-baseline exclude each other: mend first"),
        (checklist and bool(rule or skip), "a checklist is judged by all rules: leave --rule and --skip out"),
        (checklist and (fix or write_baseline is not None), "--checklist goes with neither --fix nor --write-baseline"),
    )
    question = _Question(
        paths=paths or (".",),
        system=str(system or ""),
        rules=technologies.chosen(rule, skip),
        baseline=baseline,
        reports=report,
    )
    gate = None if fail_on == "never" else fail_on
    estate, found = _answer(question)
    if checklist:
        from bascule.cli import audit_checklist  # noqa: PLC0415 - it reads reports of drills, and most audits do not

        return audit_checklist.show(estate, found, report, form, to=output, gate=gate)
    _refuse((bool(report) and estate.system is None, "--report belongs to a system file or to --checklist"))
    if write_baseline is not None:
        write(write_baseline, baselines.encode(found))
        sys.stderr.write(f"{write_baseline}: {len(found.findings) + len(found.known)} findings are its entries\n")
        return 0
    if fix:
        from bascule.cli import audit_fix  # noqa: PLC0415 - it writes files as labs do, and most audits write none

        if audit_fix.mend(found, estate, dry_run=dry_run, yes=yes):
            estate, found = _answer(question)
    show(rendered(found, question.rules, form, gate), output=output, audit=found)
    return 1 if gate is not None and found.reaches(gate) else 0


def _refuse(*asked: tuple[bool, str]) -> None:
    """Refuse options that do not go together; the first that is so is told."""
    for is_wrong, what in asked:
        if is_wrong:
            raise InputError(what, where="audit", hint="see bascule audit --help")


def _answer(question: _Question) -> tuple[Estate, Audit]:
    """Read everything, and ask the rules."""
    with _without_collector():
        paths = (*((question.system,) if question.system else ()), *question.paths)
        read = reading.read(paths, technologies.readers())
        if not read.estate.files and not read.estate.unreadable:
            raise InputError("there is nothing to audit", where=" ".join(paths), hint="name files, or `-` for a pipe")
        named = question.system or question.paths[0]
        if take_system(read.estate, named, required=bool(question.system), reports=question.reports):
            read.unknown = [one for one in read.unknown if one != named]
            read.estate.unclaimed = [one for one in read.estate.unclaimed if one != named]
        every = {one.id for one in technologies.rules()}
        found = ask(read.estate, question.rules, every=every, unknown=read.unknown, notes=read.notes)
    if question.baseline is not None:
        found = baselines.apply(found, _baseline(question.baseline))
    return read.estate, found


def _baseline(path: Path) -> baselines.Baseline:
    try:
        with path.open("rb") as stream:
            content = stream.read(baselines.MAX_BYTES)
    except OSError as error:
        hint = f"bascule audit ... --write-baseline {path}"
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from None
    return baselines.decode(content, str(path))


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Without the search for cycles: trees have none, and it takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
