"""Draws what a guard costs: `benchmarks/guard.py --json > FILE`, then `python docs/pictures/make_guard.py FILE`."""  # noqa: INP001 - it is a script

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

HERE = Path(__file__).resolve().parent
WORKS = {
    "retry + breaker + bulkhead, sync": "a function: retry, circuit breaker, bulkhead",
    "retry + breaker + bulkhead + timeout, async": "a coroutine: the same, and a time limit",
}


def chart(rows: list[dict[str, Any]]) -> alt.VConcatChart:
    """One panel for each kind of call: the time that one takes, from the least to the most."""
    panels = []
    for work, title in WORKS.items():
        shown = [{"who": row["subject"], "us": row["value"] / 1000} for row in rows if row["work"] == work]
        base = alt.Chart(alt.Data(values=shown)).encode(
            y=alt.Y("who:N", sort="x", title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=300)),
            x=alt.X("us:Q", title="microseconds for one call that goes well", axis=alt.Axis(grid=False)),
        )
        colour = alt.condition("datum.who == 'bascule'", alt.value("#0b6e4f"), alt.value("#b8bfc6"))
        bars = base.mark_bar(height=14).encode(color=colour)
        words = base.mark_text(align="left", dx=4).encode(text=alt.Text("us:Q", format=".2~f"))
        panels.append((bars + words).properties(width=560, title=alt.Title(title, anchor="start")))
    return alt.vconcat(*panels, background="white").configure_view(stroke=None)


def main() -> None:
    """Write `guard-cost.svg` beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, help="what `benchmarks/guard.py --json` printed")
    parser.add_argument("--into", type=Path, default=HERE)
    given = parser.parse_args()
    rows = json.loads(given.rows.read_text())["rows"]
    path = given.into / "guard-cost.svg"
    path.write_text(vl_convert.vegalite_to_svg(chart(rows).to_json()))
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
