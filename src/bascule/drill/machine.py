"""On what it was measured: kernel, processors, memory, Python, programs."""

from __future__ import annotations

import os
import platform

from bascule.drill.report import Machine
from bascule.lab.lab import Lab


def describe(lab: Lab) -> Machine:
    """This machine, and the programs that ran in the lab."""
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        kernel=f"{platform.system()} {platform.release()}",
        processors=len(os.sched_getaffinity(0)),
        memory_mib=pages * page_bytes // 2**20,
        python=platform.python_version(),
        platform="namespaces" if not lab.world.refusal("network") else "loopback",
        programs={program.name: program.version for program in lab.programs.values()},
    )
