"""The pytest plugin: `@pytest.mark.drill(system="system.yaml")` and the fixture `lab`.

It costs a test run that does not use it nothing but this file: everything else is imported when the first lab is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from bascule.kernel.errors import MachineError, MissingProgramError

if TYPE_CHECKING:
    from bascule.testing.breakable import BreakableLab
    from bascule.testing.labs import Labs

ABILITIES = ("disks", "clocks", "names")
SCOPES = ("session", "module", "function")
MARK = (
    "drill(system, scope='session', isolation='auto', disks=False, clocks=False, names=False): "
    "this test breaks the system of this file; the fixture `lab` is that system, up and whole"
)
_HELP = (
    "what becomes of tests marked `drill`: auto skips them, loudly, where this machine cannot run them; require fails"
)
_skipped = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--drill`."""
    group = parser.getgroup("bascule", "breaking real systems")
    group.addoption("--drill", choices=("auto", "require", "skip"), default="auto", help=_HELP)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", MARK)
    config.stash[_skipped] = {}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:  # noqa: ANN401 - its class is private to pytest
    """Say at the end how many tests broke nothing, and why: a skipped drill proves nothing."""
    for why, count in config.stash[_skipped].items():
        words = "test was" if count == 1 else "tests were"
        terminalreporter.write_line(f"NOTHING WAS BROKEN: {count} {words} skipped: {why}", yellow=True)


@pytest.fixture(scope="session")
def bascule_labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    """The labs that the whole session shares; they end with it."""
    yield from _labs(tmp_path_factory)


@pytest.fixture(scope="module")
def bascule_labs_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    """The labs that a module shares; they end with it."""
    yield from _labs(tmp_path_factory)


@pytest.fixture
def bascule_labs_of_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    """The lab of a single test; it ends with it."""
    yield from _labs(tmp_path_factory)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[BreakableLab]:
    """The system of the mark `drill`, up and whole; whatever the test broke is undone when it ends."""
    mark = request.node.get_closest_marker("drill")
    if mark is None:
        raise pytest.UsageError('the fixture `lab` needs the mark: @pytest.mark.drill(system="system.yaml")')
    system, scope, isolation, wanted = _said(mark)
    policy = request.config.getoption("--drill")
    if policy == "skip":
        _skip(request, "--drill=skip")
    name = {"session": "bascule_labs", "module": "bascule_labs_of_module", "function": "bascule_labs_of_test"}[scope]
    found = _bring_up(request, name, request.path.parent / system, isolation, wanted)
    if isinstance(found, str):
        _refuse(request, found)
    labs: Labs = request.getfixturevalue(name)
    found.refused = lambda why: _refuse(request, why)
    try:
        yield found
    finally:
        labs.mend(found)


def _said(mark: pytest.Mark) -> tuple[str, str, str, dict[str, bool]]:
    """System file, scope, isolation and what the lab is given, as the mark says."""
    given = {**dict(zip(("system", "scope", "isolation"), mark.args, strict=False)), **mark.kwargs}
    unknown = set(given) - {"system", "scope", "isolation", *ABILITIES}
    if unknown or not given.get("system"):
        raise pytest.UsageError(f"@pytest.mark.{MARK.partition(':')[0]}: {', '.join(sorted(unknown)) or 'no system'}")
    scope = given.get("scope", "session")
    if scope not in SCOPES:
        raise pytest.UsageError(f"the mark drill has the scopes {', '.join(SCOPES)}, not {scope!r}")
    wanted = {name: bool(given.get(name, False)) for name in ABILITIES}
    return str(given["system"]), scope, str(given.get("isolation", "auto")), wanted


def _bring_up(
    request: pytest.FixtureRequest, name: str, system: Path, isolation: str, wanted: dict[str, bool]
) -> BreakableLab | str:
    """The lab; or why this machine cannot have it. A system file that is wrong is an error of the test."""
    try:
        from bascule.lab.abilities import Abilities  # noqa: PLC0415 - only who breaks something pays for it

        labs: Labs = request.getfixturevalue(name)
        return labs.get(system, isolation, Abilities(**wanted))
    except ModuleNotFoundError as missing:
        return f"the Python package {missing.name} is missing: install bascule[lab]"
    except (MachineError, MissingProgramError) as error:
        return str(error)


def _labs(factory: pytest.TempPathFactory) -> Iterator[Labs]:
    from bascule.testing.labs import Labs  # noqa: PLC0415 - only who breaks something pays for it

    labs = Labs(lambda: factory.mktemp("lab"))
    try:
        yield labs
    finally:
        labs.end()


def _refuse(request: pytest.FixtureRequest, why: str) -> NoReturn:
    """Skip, or fail where a drill is required: this machine cannot do it."""
    if request.config.getoption("--drill") == "require":
        pytest.fail(f"this machine cannot do it: {why}", pytrace=False)
    _skip(request, why)


def _skip(request: pytest.FixtureRequest, why: str) -> NoReturn:
    told = request.config.stash[_skipped]
    told[why] = told.get(why, 0) + 1
    pytest.skip(f"NOTHING WAS BROKEN: {why}")
