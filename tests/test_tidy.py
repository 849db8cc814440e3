"""The house's own rules, held by a test each: what breaks one is listed as file:line."""

from __future__ import annotations

import ast
import io
import itertools
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "bascule"
CODE = ("src", "tests", "benchmarks", "examples", "docs", "contrib")
MOST_LINES_PER_FILE = 500
MOST_LINES_PER_FUNCTION = 60
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|NotImplemented" + r"Error)\b")
SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b(?P<rest>.*)")
CODES = re.compile(r"^(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*|\[[a-z, -]+\])")
# Put together here, so that this file does not name them itself.
REGISTRIES = [".".join(words) for words in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("crates", "io"), ("rubygems", "org"),
    ("proxy", "golang", "org"), ("deb", "debian", "org"), ("docker", "io"), ("ghcr", "io"), ("quay", "io"),
    ("anaconda", "org"), ("archive", "ubuntu", "com"), ("maven", "org"),
)]  # fmt: skip
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?[^)]*\)")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "__pycache__" not in path.parts
    ]


def tracked_files() -> list[Path]:
    argv = ["git", "ls-files", "-z"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("the project's files are known only where git and its history are")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts(paths: list[Path]) -> Iterator[tuple[Path, int, str]]:
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            yield path, number, line


def at(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {what}"


def nothing(found: list[str], rule: str) -> None:
    assert not found, f"{rule}:\n" + "\n".join(found)


def comments(path: Path) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_no_file_is_longer_than_a_reader_holds() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*CODE)}
    found = [at(path, count, f"{count} lines") for path, count in lengths.items() if count > MOST_LINES_PER_FILE]
    nothing(found, f"a file has at most {MOST_LINES_PER_FILE} lines")


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def length(function: Function) -> int:
    """Lines of a function, but for its docstring and a literal that it returns: those are read, not followed."""
    words = lines_of(function.body[0]) if ast.get_docstring(function) else 0
    last = function.body[-1]
    is_data = isinstance(last, ast.Return) and isinstance(last.value, ast.Call | ast.Dict | ast.List | ast.Tuple)
    return lines_of(function) - words - (lines_of(last) if is_data else 0)


def test_no_function_is_longer_than_a_screen() -> None:
    found = [
        at(path, node.lineno, f"{node.name} has {length(node)} lines")
        for path in python_files(*CODE)
        for node in ast.walk(tree(path))
        if isinstance(node, Function) and length(node) > MOST_LINES_PER_FUNCTION
    ]
    nothing(found, f"a function has at most {MOST_LINES_PER_FUNCTION} lines")


def undocumented(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[int, str]]:
    """Public classes, functions and methods without a docstring; an overload or an override has its original's."""
    for child in node.body:
        if not isinstance(child, Function | ast.ClassDef) or child.name.startswith("_"):
            continue
        marks = {ast.unparse(mark).rpartition(".")[2] for mark in child.decorator_list}
        if not ast.get_docstring(child) and marks.isdisjoint({"overload", "override", "setter"}):
            yield child.lineno, f"{prefix}{child.name}"
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, f"{child.name}.")


def test_everything_public_says_what_it_guarantees() -> None:
    found: list[str] = []
    for path in python_files("src"):
        module = tree(path)
        if not ast.get_docstring(module):
            found.append(at(path, 1, "the module"))
        found += [at(path, line, name) for line, name in undocumented(module)]
    nothing(found, "every public module, class, function and method has a docstring")


def decisions() -> tuple[list[str], set[str], set[str]]:
    """The modules that the import contract holds to be pure, what they may not import, and the imports let pass."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if one["name"] == "Decisions know no clock, no luck, no I/O")
    return contract["source_modules"], set(contract["forbidden_modules"]), set(contract["ignore_imports"])


def imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def test_decisions_import_no_clock_no_luck_and_no_io() -> None:
    modules, forbidden, let_pass = decisions()
    found: list[str] = []
    for name in modules:
        folder = ROOT / "src" / Path(*name.split("."))
        path = folder.with_suffix(".py") if folder.with_suffix(".py").exists() else folder / "__init__.py"
        assert path.exists(), f"pyproject.toml calls {name} a decision module, but there is none"
        found += [
            at(path, line, what)
            for line, what in imported(tree(path))
            if what.split(".")[0] in forbidden and f"{name} -> {what}" not in let_pass
        ]
    nothing(found, "a decision module imports no clock, no luck, no I/O")


def test_what_calls_itself_pure_is_held_to_it() -> None:
    modules, _, _ = decisions()
    found: list[str] = []
    for path in python_files("src"):
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        summary = (ast.get_docstring(tree(path)) or "").partition("\n\n")[0]
        if re.search(r"\bPure\b", summary) and name not in modules:
            found.append(at(path, 1, name))
    nothing(found, "a module whose docstring says `Pure` is listed in pyproject.toml as a decision module")


def test_every_exception_to_a_rule_has_its_code_and_its_reason() -> None:
    found: list[str] = []
    for path in python_files(*CODE):
        for number, comment in comments(path):
            silenced = SILENCED.search(comment)
            if silenced is None:
                continue
            code = CODES.match(silenced["rest"])
            reason = silenced["rest"][code.end() :].strip(" -:#") if code else ""
            if len(reason.split()) < 2:
                found.append(at(path, number, comment))
    nothing(found, "an exception names its rule, and its reason on the same line: `# noqa: RULE - why`")


def is_silent(handler: ast.ExceptHandler) -> bool:
    return all(
        isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )


def test_no_error_is_swallowed() -> None:
    found: list[str] = []
    for path in python_files(*CODE):
        said = {line for line, comment in comments(path) if len(comment.split()) > 3}
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            if node.type is None:
                found.append(at(path, node.lineno, "bare except"))
            elif is_silent(node) and node.body[0].lineno not in said:
                found.append(at(path, node.lineno, "except: pass"))
    nothing(found, "an error is handled, told or raised; where it means nothing, the line of `pass` says why")


def test_nothing_is_left_unfinished() -> None:
    found = [
        at(path, number, line.strip()) for path, number, line in texts(python_files(*CODE)) if UNFINISHED.search(line)
    ]
    nothing(found, "what is not finished is not here")


def test_no_package_registry_is_named() -> None:
    hosts = re.compile("|".join(rf"(?<![a-z0-9-]){re.escape(host)}(?![a-z0-9-])" for host in REGISTRIES), re.IGNORECASE)
    found = [
        at(path, number, line.strip()[:200]) for path, number, line in texts(tracked_files()) if hosts.search(line)
    ]
    nothing(found, "where packages come from is the machine's to say, not ours")


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    found: set[str] = set()
    for line in page.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"#{1,6}\s+(.*)", line):
            found.add(re.sub(r"[^\w\- ]", "", heading[1].lower()).strip().replace(" ", "-"))
    return found


def broken_links(page: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        for link in LINK.findall(line):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                yield number, link


def test_every_relative_link_of_the_documents_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(pages) > 1
    found = [at(page, number, link) for page in pages for number, link in broken_links(page)]
    nothing(found, "a relative link leads somewhere")


def test_every_path_that_the_map_of_rooms_names_is_there() -> None:
    page = ROOT / "docs" / "rooms.md"
    roots = ("src", "tests", "docs", "examples", "benchmarks", "requirements")
    found = [
        at(path, number, name)
        for path, number, line in texts([page])
        for name in re.findall(r"`([\w./*<>-]+)`", line)
        if name.split("/")[0] in roots and "/" in name and not any(ROOT.glob(name.rstrip("/")))
    ]
    nothing(found, "docs/rooms.md points at what is there")


def test_no_test_sleeps() -> None:
    found: list[str] = []
    for path in python_files("tests"):
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in {"time.sleep", "sleep"}:
                continue
            if not within_loop(path, node.lineno):
                found.append(at(path, node.lineno, ast.unparse(node)))
    nothing(found, "a test waits for a condition with a deadline, it does not sleep for luck")


def within_loop(path: Path, line: int) -> bool:
    """Whether a line stands in a `while`: between two looks at a condition, a pause is no luck."""
    return any(
        isinstance(node, ast.While) and node.lineno < line <= (node.end_lineno or 0) for node in ast.walk(tree(path))
    )


def test_every_test_is_in_one_part_of_make_test_whatever_its_marks() -> None:
    parts = [Expression.compile(text) for text in re.findall(r"\bpart -m '([^']+)'", (ROOT / "Makefile").read_text())]
    for real, alone in itertools.product((False, True), repeat=2):
        marks = {"real": real, "alone": alone}
        taken = sum(part.evaluate(lambda name, /, marks=marks, **_: marks[name]) for part in parts)
        assert taken == 1, f"a test with the marks {marks} is run by {taken} parts"


def test_what_stands_among_the_real_tests_is_marked_so() -> None:
    found = [
        at(path, 1, "no test of it is marked as real")
        for path in sorted((ROOT / "tests" / "real").rglob("test_*.py"))
        if "pytest.mark.real" not in path.read_text(encoding="utf-8")
    ]
    nothing(found, "`make test` runs tests beside each other by their marks")


def test_what_threads_decode_has_its_decoder_before_there_are_threads() -> None:
    """Members are observed in threads; two that make the decoder of one type at once end the process by SIGSEGV."""
    found = [
        at(path, node.lineno, ast.unparse(node))
        for path in python_files("src/bascule/engines")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("msgspec.") and node.keywords
        if ast.unparse(node.func).endswith(".decode") and any(word.arg == "type" for word in node.keywords)
    ]
    nothing(found, "an engine decodes what members say by a decoder that its module made")
