"""Makes the README's pictures from a real run: `python docs/pictures/make.py RUN_DIR` (needs chromium for the page)."""  # noqa: INP001 - it is a script

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from msgspec import structs
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from bascule.drill.render_html import html
from bascule.drill.render_json import from_json
from bascule.drill.render_terminal import verdict_table
from bascule.drill.report import Report

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def terminal(report: Report, experiment: str, path: Path) -> None:
    """Write the verdict table of one experiment as SVG."""
    trial = next(trial for trial in report.trials if trial.experiment == experiment)
    console = Console(record=True, width=112, file=StringIO(), force_terminal=True)
    console.print(verdict_table(trial))
    offline = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(path), title=report.command or "bascule drill", code_format=offline)


def page(report: Report, experiment: str, path: Path, *, height_px: int, no_sandbox: bool) -> None:
    """Write the top of the HTML report, of this experiment alone, as PNG.

    Raises:
        SystemExit: There is no browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit("the picture of the page needs chromium (`make deps`)")
    alone = structs.replace(report, trials=tuple(one for one in report.trials if one.experiment == experiment))
    with tempfile.TemporaryDirectory() as profile:
        shown = Path(profile, "report.html")
        shown.write_text(html(alone), encoding="utf-8")
        command = [browser, *QUIET, f"--user-data-dir={profile}", f"--window-size=1240,{height_px}"]
        command += ["--no-sandbox"] if no_sandbox else []
        command += ["--blink-settings=preferredColorScheme=1", "--virtual-time-budget=20000", f"--screenshot={path}"]
        subprocess.run([*command, shown.as_uri()], check=True, timeout=120, stderr=subprocess.DEVNULL)


def main() -> None:
    """Read the run's `report.json`, and write `terminal.svg` and `report.png` beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="directory of a run, with report.json")
    parser.add_argument("--experiment", default="primary-kill")
    parser.add_argument("--height", type=int, default=2400, help="pixels of the page that the picture shows")
    parser.add_argument("--into", type=Path, default=HERE)
    parser.add_argument("--no-sandbox", action="store_true", help="chromium as root needs it")
    given = parser.parse_args()
    report = from_json((given.run / "report.json").read_bytes())
    terminal(report, given.experiment, given.into / "terminal.svg")
    picture = given.into / "report.png"
    page(report, given.experiment, picture, height_px=given.height, no_sandbox=given.no_sandbox)
    sys.stdout.write(f"{given.into / 'terminal.svg'}\n{given.into / 'report.png'}\n")


if __name__ == "__main__":
    main()
