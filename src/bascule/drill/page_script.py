"""The page's one script: Vega, Vega-Lite, vega-embed and a few lines of our own, bundled at most once.

::

    python -m bascule.drill.page_script        print it
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import resources

from bascule.lab.syscalls import die_with_parent

_kept: list[str] = []


def script() -> str:
    """The script, which imports nothing; the first call takes a second or two, unless `prepare` was there before."""
    if not _kept:
        _kept.append(_bundle())
    return _kept[0]


def prepare() -> None:
    """Have it bundled while there is time, by a process of its own that gives way to every other.

    Bundling holds the interpreter's lock all the while: in a thread it would stop the whole drill for that long. The
    process dies with the calling thread. Where it fails, `script` bundles by itself, and says why it cannot.
    """
    argv = [sys.executable, "-m", "bascule.drill.page_script"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, process_group=0)
    if done.returncode == 0 and not _kept:
        _kept.append(done.stdout.decode())


def _bundle() -> str:
    import vl_convert  # noqa: PLC0415 - it takes a tenth of a second, and most processes of a drill draw nothing

    own = resources.files("bascule.drill").joinpath("render_page.js").read_text(encoding="utf-8")
    bundle: str = vl_convert.javascript_bundle(own)
    if "</script" in bundle.lower() or "<!--" in bundle:
        bundle = bundle.replace("</", "<\\/").replace("<!--", "<\\!--")
    return bundle


def main() -> None:
    """Bundle for `prepare`, at the lowest priority and no longer than its caller lives."""
    die_with_parent(signal.SIGKILL)
    os.nice(19)
    sys.stdout.write(_bundle())


if __name__ == "__main__":
    main()
