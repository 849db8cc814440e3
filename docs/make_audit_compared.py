"""Writes `docs/audit-compared.md`: what each Kubernetes rule finds in shared manifests and why, with checkov beside it.

    python docs/make_audit_compared.py             install checkov in an environment of its own, and compare
    python docs/make_audit_compared.py --check X   with the checkov that stands at this path

The manifests are the examples that every rule is held to: one that has its defect and one that has not. A tool tells
the defect when it says something about the first that it does not say about the second.
"""  # noqa: INP001 - it is a script

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

from bascule.audit import reading, technologies
from bascule.audit.auditing import audit
from bascule.audit.result import Audit
from bascule.audit.rule import Rule
from bascule.audit.visible import markdown
from bascule.cli.audit_system import take_system

HERE = Path(__file__).resolve().parent
PAGE = HERE / "audit-compared.md"
EXAMPLES = HERE.parent / "tests" / "golden" / "audit"
MOST_SHOWN = 3


def main() -> int:
    """Compare, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=Path, help="the checkov command to use")
    given = parser.parse_args()
    rules = [rule for rule in technologies.rules() if rule.technology == "kubernetes"]
    with tempfile.TemporaryDirectory(prefix="bascule-compared-") as scratch:
        command = given.check or _installed(Path(scratch) / "venv")
        theirs = _theirs(command, rules, Path(scratch))
        version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    PAGE.write_text(_page(rules, theirs, version), encoding="utf-8")
    sys.stdout.write(f"{PAGE} is written\n")
    return 0


def _installed(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    argv = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "checkov"]
    subprocess.run(argv, check=True)
    return folder / "bin" / "checkov"


def _example(rule: Rule, kind: str) -> Path:
    (found,) = (*(EXAMPLES / rule.id).glob(f"{kind}.*"), *(EXAMPLES / rule.id).glob(kind))
    return found


def _ours(rule: Rule, kind: str) -> Audit:
    system = EXAMPLES / rule.id / "system.yaml"
    named = [str(system)] if system.exists() else []
    read = reading.read([*named, str(_example(rule, kind))], technologies.readers())
    if named:
        take_system(read.estate, named[0], required=True)
    return audit(read.estate, technologies.rules())


def _theirs(command: Path, rules: list[Rule], scratch: Path) -> Mapping[str, list[str]]:
    """For each rule what checkov says about its failing example and not about its passing one."""
    said: dict[str, dict[str, set[str]]] = {}
    for kind in ("failing", "passing"):
        folder = scratch / kind
        for rule in rules:
            example, there = _example(rule, kind), folder / rule.id
            there.mkdir(parents=True)
            shutil.copytree(example, there / "all") if example.is_dir() else shutil.copy(example, there)
        argv = [command, "--skip-download", "--directory", folder, "--framework", "kubernetes"]
        argv += ["--output", "json", "--quiet", "--compact"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=900)
        answer = json.loads(done.stdout)
        for one in answer["results"]["failed_checks"]:
            name = Path(one["file_path"]).parts[1]
            said.setdefault(name, {}).setdefault(kind, set()).add(f"{one['check_id']} {one['check_name']}")
    return {
        rule.id: sorted(said.get(rule.id, {}).get("failing", set()) - said.get(rule.id, {}).get("passing", set()))
        for rule in rules
    }


def _page(rules: list[Rule], theirs: Mapping[str, list[str]], version: str) -> str:
    told = [rule for rule in rules if theirs[rule.id]]
    lines = [
        "# What an audit finds",
        "",
        "Written by `docs/make_audit_compared.py`. For each rule about Kubernetes, its example with the defect",
        "(`tests/golden/audit/ID/failing*`): what `bascule audit` says, why it matters, and what checkov",
        f"{version} says about it that it does not say about the example without the defect. checkov is made for",
        "security; it is here because it is the one such tool with an eye on availability that pip installs.",
        "",
        f"Of {len(rules)} defects checkov tells {len(told)} from their mended form.",
        "",
        "| Rule | Finds | Because | checkov |",
        "|---|---|---|---|",
    ]
    for rule in rules:
        found = [one for one in _ours(rule, "failing").findings if one.rule == rule.id]
        what = f"`{Path(found[0].place.file).name}:{found[0].place.line}` {markdown(found[0].what)}"
        shown = [markdown(one) for one in theirs[rule.id][:MOST_SHOWN]]
        more = [f"and {len(theirs[rule.id]) - MOST_SHOWN} more"] if len(theirs[rule.id]) > MOST_SHOWN else []
        link = f"[{rule.id}](audit-rules.md#{rule.id.lower()})"
        lines.append(f"| {link} | {what} | {markdown(rule.why)} | {'; '.join([*shown, *more]) or 'nothing'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
