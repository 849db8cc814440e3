"""Where a control group of memory is made and how it is written, for both versions, on trees of plain files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bascule.kernel.errors import LabError
from bascule.lab import memory_group
from bascule.lab.memory_group import Hierarchy, MemoryGroup


def mountinfo(folder: Path, *lines: str) -> str:
    path = folder / "mountinfo"
    path.write_text("\n".join(lines))
    return str(path)


def test_both_versions_are_found_where_they_control_memory(tmp_path: Path) -> None:
    first, second, empty = (tmp_path / name for name in ("v1", "v2 here", "none"))
    for folder in (first, second, empty):
        folder.mkdir()
    (second / "cgroup.controllers").write_text("cpu memory pids\n")
    (empty / "cgroup.controllers").write_text("\n")
    path = mountinfo(
        tmp_path,
        f"35 31 0:32 / {first} rw,relatime - cgroup cgroup rw,memory",
        f"36 31 0:33 / {first} rw,relatime - cgroup cgroup rw,cpu,cpuacct",
        f"37 31 0:34 /box {str(second).replace(' ', chr(92) + '040')} rw shared:4 - cgroup2 cgroup2 rw,nsdelegate",
        f"38 31 0:35 / {empty} rw - cgroup2 cgroup2 rw",
        "39 31 0:36 / /proc rw - proc proc rw",
    )
    assert list(memory_group.hierarchies(path)) == [
        Hierarchy(mount=first, top="/", version=1),
        Hierarchy(mount=second, top="/box", version=2),
    ]


def test_a_limit_is_written_in_the_words_of_its_version(tmp_path: Path) -> None:
    MemoryGroup(path=tmp_path, home=tmp_path, version=1).limit(4096)
    assert (tmp_path / "memory.limit_in_bytes").read_text() == "4096"
    assert (tmp_path / "memory.swappiness").read_text() == "0"
    assert (tmp_path / "memory.oom_control").read_text() == "0"
    second = tmp_path / "second"
    second.mkdir()
    MemoryGroup(path=second, home=second, version=2).limit(4096)
    assert [each.name for each in second.iterdir()] == ["memory.max"]  # a kernel without swap has no limit of it
    (second / "memory.swap.max").write_text("max")
    MemoryGroup(path=second, home=second, version=2).limit(8192)
    assert (second / "memory.max").read_text() == "8192"
    assert (second / "memory.swap.max").read_text() == "0"


def test_kills_are_counted_as_the_kernel_tells_them(tmp_path: Path) -> None:
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert MemoryGroup(path=tmp_path, home=tmp_path, version=1).kills() == 2
    assert MemoryGroup(path=tmp_path, home=tmp_path, version=2).kills() == 1
    assert MemoryGroup(path=tmp_path / "gone", home=tmp_path, version=2).kills() is None


@pytest.fixture
def second_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree in which the groups above give memory, and that of the process does not."""
    home = tmp_path / "user.slice" / "app.slice" / "run.scope"
    home.mkdir(parents=True)
    for folder, words in ((tmp_path, "cpu memory"), (home.parent.parent, "memory"), (home.parent, "memory pids")):
        (folder / "cgroup.subtree_control").write_text(f"{words}\n")
    (home / "cgroup.subtree_control").write_text("\n")
    monkeypatch.setattr(memory_group, "hierarchies", lambda: iter([Hierarchy(mount=tmp_path, top="/", version=2)]))
    monkeypatch.setattr(memory_group, "_group_of", lambda *_: home)
    return home


def test_of_version_2_it_stands_below_the_nearest_group_that_gives_memory(
    second_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryGroup, "kills", lambda _: 0)
    group = memory_group.make(os.getpid(), "bascule-1")
    assert group.path == second_version.parent / "bascule-1"
    assert group.home == second_version


def test_where_no_group_gives_memory_that_is_said(second_version: Path) -> None:
    for folder in second_version.parents[:3]:
        (folder / "cgroup.subtree_control").write_text("cpu\n")
    assert "gives its children control of memory" in memory_group.refusal("bascule-1")


def test_a_kernel_that_counts_no_kills_is_refused_and_nothing_is_left(second_version: Path) -> None:
    with pytest.raises(LabError, match="does not count OOM kills"):
        memory_group.make(os.getpid(), "bascule-1")
    assert not (second_version.parent / "bascule-1").exists()


def test_a_machine_that_would_panic_is_refused(
    second_version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "panic").write_text("2\n")
    monkeypatch.setattr(memory_group, "_PANIC", tmp_path / "panic")
    assert "panics" in memory_group.refusal("bascule-1")
    assert not (second_version.parent / "bascule-1").exists()


@pytest.mark.parametrize(
    ("sizes", "refused"),
    [
        (("max", "123", "0"), False),
        ((str(2**40), str(2**30), "0"), False),
        ((str(2**30), str(2**30), "0"), True),
        ((str(2**30), str(2**30), str(2**29)), False),
    ],
)
def test_a_group_above_that_is_nearly_full_is_refused_lest_others_be_struck(
    second_version: Path, sizes: tuple[str, str, str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryGroup, "kills", lambda _: 0)
    limit, usage, cached = sizes
    above = second_version.parent.parent
    (above / "memory.max").write_text(limit)
    (above / "memory.current").write_text(usage)
    (above / "memory.stat").write_text(f"anon 5\nactive_file {cached}\nslab 7\n")
    told = memory_group.refusal("bascule-1")
    assert ("might strike others" in told) == refused, told
    assert not (second_version.parent / "bascule-1").exists()


def test_a_machine_that_is_nearly_full_is_refused(
    second_version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 1000000 kB\nMemAvailable: 100000 kB\n")
    monkeypatch.setattr(memory_group, "MEMINFO", tmp_path / "meminfo")
    assert "only 97 MiB of memory are free" in memory_group.refusal("bascule-1")
    assert not (second_version.parent / "bascule-1").exists()


def test_a_machine_without_control_groups_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_group, "hierarchies", lambda: iter(()))
    assert "no control groups of memory" in memory_group.refusal("bascule-1")


def test_only_the_groups_of_the_lab_that_is_named_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_group, "hierarchies", lambda: iter([Hierarchy(mount=tmp_path, top="/", version=1)]))
    for name in ("bascule-aa-1", "deep/below/bascule-aa-2", "bascule-aab-1", "other"):
        (tmp_path / name).mkdir(parents=True)
    memory_group.sweep("")
    memory_group.sweep("aa")
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["bascule-aab-1", "below", "deep", "other"]
