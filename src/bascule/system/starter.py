"""The commented file with which a newcomer starts, and its safe way onto the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bascule.kernel.errors import InputError

STARTER = """\
# A system and its promises, in one file.
#
#   bascule system check FILE    says everything that is wrong with it
#   bascule drill FILE           runs it on this machine, kills its primary, and judges it
#
# `bascule system schema > bascule.schema.json` makes your editor complete and check it: name that file in a line
# "# yaml-language-server: $schema=bascule.schema.json" at the top of this one.

system: my-system

# What you promise. A drill measures each of these from the client's side.
objectives:
  availability: {target: 99.9%, window: 30d}
  latency: {within: 250ms, percentile: 99}
  # What the loss of one process, host, zone or region may cost: time until clients are served again (RTO), and
  # acknowledged writes that are gone (RPO; 0 means none).
  disruptions:
    process: {rto: 30s, rpo: 0}
    host: {rto: 30s, rpo: 0}
    zone: {rto: 30s, rpo: 0}
    region: {rto: 40s, rpo: 0}

# Where it runs: two regions that do the work, and a witness, so that losing any one region keeps the quorum.
regions:
  paris: {zones: [paris-a]}
  lyon: {zones: [lyon-a]}
  witness: {zones: [witness-a]}

# The lines between regions, one way; `outside` is where the clients are. Pairs that are not listed have no delay.
links:
  - {between: [paris, lyon], delay: 5ms, jitter: 1ms}
  - {between: [paris, witness], delay: 8ms, jitter: 1ms}
  - {between: [lyon, witness], delay: 8ms, jitter: 1ms}

# What it is made of: real programs (`bascule engines` lists them), and how many of each per zone.
components:
  consensus:
    engine: etcd
    replicas: {paris-a: 1, lyon-a: 1, witness-a: 1}

  database:
    engine: postgresql
    replicas: {paris-a: 1, lyon-a: 1}
    options:
      ttl: 20s           # a dead primary is noticed when its lease runs out: the floor of your RTO
      loop_wait: 1s
      retry_timeout: 3s  # ttl must be at least loop_wait + 2 x retry_timeout
    # hard: without it this component fails. A soft need says what degrades:
    #   cache: {kind: soft, degrades: "pages take longer"}
    needs: {consensus: hard}

  proxy:
    engine: haproxy
    replicas: {paris-a: 1, lyon-a: 1}
    options:
      listeners:
        postgresql: {port: 5000, mode: tcp, to: database, role: primary}
    needs: {database: hard}

# The load that drills offer: here, unique numbers written by SQL, through the proxy, at a steady rate.
workload:
  through: proxy
  port: postgresql
  protocol: postgresql
  rate: 50/s
  deadline: 1s  # an operation is good only if it is acknowledged within this time
  # Clients know every proxy. Should they know one address instead, which moves when its holder fails, put both proxies
  # into one zone and say:
  #   entry: {kind: vip, store: consensus}
"""


def write(path: Path, *, force: bool = False) -> Path:
    """Put the starter on the disk, whole or not at all.

    Args:
        path: A file, or a folder, in which it is called `bascule.yaml`.
        force: Replace a file that is there.

    Returns:
        The file that was written.

    Raises:
        InputError: There is a file already, or it cannot be written.
    """
    target = path / "bascule.yaml" if path.is_dir() else path
    try:
        _write_whole(target, STARTER, force=force)
    except FileExistsError:
        raise InputError("there is a file already", where=str(target), hint="name another, or say --force") from None
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise InputError(what, where=str(target), hint="name a file in a folder that you may write to") from None
    return target


def _write_whole(target: Path, text: str, *, force: bool) -> None:
    """Write a temporary file beside the target, flush it to the disk, then give it the target's name at once."""
    if not force and (target.exists() or target.is_symlink()):
        raise FileExistsError(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if force:
            temporary.replace(target)
        else:
            os.link(temporary, target)  # unlike a rename, this never replaces a file that came in between
    finally:
        temporary.unlink(missing_ok=True)
