"""On what kind of file system a path lies, and whether locks on it hold for all who may open it."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_REMOTE = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "9p", "virtiofs", "vboxsf",
        "vmhgfs", "lustre", "gfs", "gfs2", "ocfs2", "gpfs", "beegfs", "orangefs", "pvfs2", "glusterfs", "davfs",
    }
)  # fmt: skip


def kind_of(path: Path, mounts: str | None = None) -> str:
    """The file system's name as the kernel has it (`ext4`, `nfs4`, `fuse.sshfs`); empty when it cannot be found out.

    Args:
        path: An absolute path without symbolic links; it need not exist.
        mounts: The text of `/proc/self/mountinfo`; read when it is not given.

    Source: proc_pid_mountinfo(5).
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(errors="surrogateescape")
        except OSError:
            return ""
    kind, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 5 or not rest[0]:
            continue
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        # Of two mounts on one point the later one hides the earlier one.
        if len(point.parts) >= longest and path.is_relative_to(point):
            kind, longest = rest[0], len(point.parts)
    return kind


def is_shared(kind: str) -> bool:
    """Whether other machines may have it mounted too, or the locks of one process may not reach another.

    Of the file systems in user space only `fuseblk`, which lies on a block device, is taken for local: what the
    others do with locks is theirs to say, and many do nothing.
    """
    return kind in _REMOTE or kind == "fuse" or kind.startswith("fuse.")


def real(path: Path) -> Path:
    """The path without symbolic links, as all processes see it; the last part need not exist."""
    return Path(os.path.realpath(path))
