from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from bascule.drill.render_html import html
from bascule.drill.render_sections import embedded_json
from bascule.drill.report import Mark, Node, Report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
HOSTILE = (
    "</script><script>document.title='owned'</script>"
    """<img src=x onerror="document.title='owned'">'"\\&\u2028\u202e\x00{{1}}"""
)


class Page(HTMLParser):
    """What a browser would make of the page, as far as the tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self._script: dict[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.tags.append((tag, known))
        self._script = known if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts.append((self._script, data))
            self._script = None
        else:
            self.words.append(data)

    def attributes(self, name: str) -> list[str]:
        return [known[name] for _, known in self.tags if name in known]


@pytest.fixture(scope="module")
def text(sample_report: Report) -> str:
    return html(sample_report)


@pytest.fixture(scope="module")
def hostile_text(sample_report: Report) -> str:
    trial = sample_report.trials[1]
    node = Node(
        name=HOSTILE,
        component=HOSTILE,
        engine=HOSTILE,
        zone=HOSTILE,
        region=HOSTILE,
        up=True,
        role=HOSTILE,
        detail=HOSTILE,
    )
    measures = tuple(replace(one, title=HOSTILE, note=HOSTILE) for one in trial.verdict.measures)
    worst = replace(
        trial,
        experiment=HOSTILE,
        title=HOSTILE,
        target=HOSTILE,
        scope=HOSTILE,
        explanation=(HOSTILE,),
        offered={HOSTILE: 3},
        before=(node,),
        after=(node,),
        marks=(*trial.marks, Mark(at_s=11.0, kind=HOSTILE, text=HOSTILE, source=HOSTILE)),
        verdict=replace(trial.verdict, reasons=(HOSTILE,), measures=measures),
    )
    statistic = replace(sample_report.statistics[0], experiment=HOSTILE, quantiles={HOSTILE: 1.0})
    machine = replace(sample_report.machine, kernel=HOSTILE, programs={HOSTILE: HOSTILE})
    return html(
        replace(
            sample_report,
            system=HOSTILE,
            command=HOSTILE,
            version=HOSTILE,
            objectives=(HOSTILE,),
            trials=(worst, replace(worst, skipped=HOSTILE)),
            statistics=(statistic,),
            machine=machine,
        )
    )


def test_nothing_in_the_page_points_outside(text: str) -> None:
    page = Page(text)
    assert [value for name in ("src", "srcset", "action", "data") for value in page.attributes(name)] == []
    assert [tag for tag, _ in page.tags if tag in {"iframe", "object", "embed", "base", "form", "img"}] == []
    assert all(value.startswith("#") or value == "data:," for value in page.attributes("href"))
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_admits_one_script_by_its_hash_and_no_request(text: str) -> None:
    policy = next(value for value in Page(text).attributes("content") if "default-src" in value)
    scripts = [body for known, body in Page(text).scripts if known.get("type") == "module"]
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_the_bundle_is_there_once_whatever_the_number_of_trials(sample_report: Report, text: str) -> None:
    many = html(replace(sample_report, trials=sample_report.trials * 3))
    assert len(text) < 1_500_000
    assert len(many) - len(text) < 700_000


def test_every_number_of_the_verdict_is_in_the_page_without_any_script(text: str) -> None:
    words = " ".join(" ".join(Page(text).words).split())
    for said in (
        "PASS primary-kill: RTO 20.6 s of 30 s promised, nothing lost", "20.62 s ± 0.03 s", "524 writes", "≤ 30 s",
        "RTO 20.62 s = detection 18.93 s + failover 0.44 s + client 1.25 s", "29 of 29", "88.1 to 100.0 % (95 % sure)",
        "too few trials", "SKIPPED zone-loss: needs host faults, which this platform cannot do", "Linux 6.18.3",
        "acquired session lock as leader, database-paris-b-1", "+18.930 s", "29.114 s",
    ):  # fmt: skip
        assert said in words, said


def test_tables_and_pictures_have_texts_for_those_who_cannot_see(text: str) -> None:
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table")
    for tag, known in page.tags:
        if tag == "svg" or "data-chart" in known:
            assert known["role"] == "img"
            assert known["aria-label"]


def test_strings_from_outside_stay_text(hostile_text: str) -> None:
    page = Page(hostile_text)
    assert "img" not in [tag for tag, _ in page.tags]
    assert page.attributes("onerror") == []
    kinds = [known.get("type") for known, _ in page.scripts]
    assert kinds == ["application/json", "module"]
    assert "\x00" not in hostile_text
    assert "\u202e" not in hostile_text
    assert "</script><script>document.title='owned'" in " ".join(page.words)


def test_embedded_json_cannot_end_its_script_and_reads_the_same() -> None:
    value = {"text": HOSTILE, "more": "<!--<script>"}
    written = embedded_json(value)
    assert not set(written) & set("<>&\u2028")
    assert json.loads(written) == value


def asked_by_the_page(net_log: Path) -> set[str]:
    """Every URL beyond this machine that the page, as against the browser itself, wanted to load."""
    lines = net_log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [line for line in lines if '"initiator":' in line and '"initiator":"not an origin"' not in line]
    return {url for line in starts for url in re.findall(r'"url":"((?:https?|wss?)://[^"]+)"', line)}


def run_browser(directory: Path, page: Path, *options: str) -> str:
    """The browser's answer; it and all of its children are gone afterwards."""
    assert BROWSER is not None
    command = [BROWSER, *QUIET, f"--user-data-dir={directory / 'profile'}", "--virtual-time-budget=30000", *options]
    process = subprocess.Popen(
        [*command, page.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True
    )
    try:
        return process.communicate(timeout=120)[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    if BROWSER is None:
        pytest.skip("NO BROWSER: the page was not opened for real; `make deps` installs chromium")
    yield tmp_path, tmp_path / "report.html"
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)


@pytest.mark.real
def test_a_real_browser_draws_every_chart_offline_and_asks_for_nothing(
    browse: tuple[Path, Path], text: str, sample_report: Report
) -> None:
    directory, page = browse
    page.write_text(text, encoding="utf-8")
    log = directory / "net.json"
    dom = run_browser(directory, page, "--dump-dom", f"--log-net-log={log}")
    ran = sum(1 for trial in sample_report.trials if trial.bins)
    assert dom.count('data-drawn="yes"') == ran
    assert 'data-drawn="no"' not in dom
    assert dom.count('class="mark-rect role-mark') >= ran
    assert dom.count('class="mark-line role-mark') >= ran
    assert dom.count('class="mark-symbol role-mark') >= ran - 1
    assert asked_by_the_page(log) == set()


@pytest.mark.real
def test_a_page_that_does_ask_would_be_caught(browse: tuple[Path, Path]) -> None:
    directory, page = browse
    page.write_text("<!DOCTYPE html><img src='http://outside.invalid/canary.png'>", encoding="utf-8")
    log = directory / "net.json"
    run_browser(directory, page, "--dump-dom", f"--log-net-log={log}")
    assert asked_by_the_page(log) == {"http://outside.invalid/canary.png"}


@pytest.mark.real
def test_a_real_browser_runs_nothing_of_a_hostile_report(browse: tuple[Path, Path], hostile_text: str) -> None:
    directory, page = browse
    page.write_text(hostile_text, encoding="utf-8")
    dom = run_browser(directory, page, "--dump-dom")
    assert "<title>owned</title>" not in dom
    assert dom.count('data-drawn="yes"') == 1
    assert "img" not in [tag for tag, _ in Page(dom).tags]
