"""Names that are imported when they are asked for."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.kernel.later import later


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    folder = tmp_path / "lazy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "there.py").write_text("Name = 'found'")
    (folder / "needy.py").write_text("import a_package_that_nobody_has\nOther = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    import lazy_package  # type: ignore[import-not-found]  # noqa: PLC0415 - it is made above

    yield lazy_package
    for name in [name for name in sys.modules if name.split(".")[0] == "lazy_package"]:
        del sys.modules[name]


def test_a_name_is_imported_when_it_is_asked_for_and_stays(package: types.ModuleType) -> None:
    get = later("lazy_package", {"Name": "there"})
    assert "lazy_package.there" not in sys.modules
    assert get("Name") == "found"
    assert vars(package)["Name"] == "found"


def test_what_is_not_there_is_said_as_python_says_it(package: types.ModuleType) -> None:
    assert package.__name__ == "lazy_package"
    with pytest.raises(AttributeError, match="module 'lazy_package' has no attribute 'Else'"):
        later("lazy_package", {})("Else")


def test_what_is_not_installed_is_said_with_what_brings_it(package: types.ModuleType) -> None:
    assert package.__name__ == "lazy_package"
    get = later("lazy_package", {"Other": "needy"}, extra="needy")
    with pytest.raises(ModuleNotFoundError, match=r"needs a_package_that_nobody_has: pip install 'bascule\[needy\]'"):
        get("Other")
