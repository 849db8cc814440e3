"""On which file system a path lies, told from the kernel's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.cluster.stores.file_systems import is_shared, kind_of, real

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /srv rw - nfs4 server:/srv rw,vers=4.2
31 30 254:1 / /srv/local rw shared:3 master:2 - xfs /dev/vdb rw
32 22 0:27 / /with\040space rw - cifs //server/share rw
33 22 0:28 / /home/a/far rw - fuse.sshfs a@b: rw
34 22 0:29 / /usb rw - fuseblk /dev/sdb1 rw
35 22 0:30 / /twice rw - ext4 /dev/vdc rw
36 22 0:31 / /twice rw - 9p host rw
37 22 0:32 / /srvother rw - tmpfs none rw
garbage
38 22 - x
""".lstrip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/leases.db", "ext4"),
        ("/srv/leases.db", "nfs4"),
        ("/srv", "nfs4"),
        ("/srv/local/leases.db", "xfs"),
        ("/srvother/a", "tmpfs"),
        ("/srvnone", "ext4"),
        ("/with space/leases.db", "cifs"),
        ("/home/a/far/b", "fuse.sshfs"),
        ("/twice/a", "9p"),
    ],
)
def test_the_innermost_and_latest_mount_counts(path: str, kind: str) -> None:
    assert kind_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        ("nfs", True), ("nfs4", True), ("cifs", True), ("smb3", True), ("fuse.sshfs", True), ("fuse", True),
        ("fuse.glusterfs", True), ("ceph", True), ("9p", True), ("fuseblk", False), ("ext4", False), ("xfs", False),
        ("btrfs", False), ("tmpfs", False), ("overlay", False), ("", False),
    ],
)  # fmt: skip
def test_which_of_them_others_may_have_too(kind: str, shared: bool) -> None:
    assert is_shared(kind) is shared


def test_this_machines_own(tmp_path: Path) -> None:
    assert kind_of(real(tmp_path / "absent"))
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    assert real(tmp_path / "link") == real(tmp_path) / "absent"
