"""A lab's disk is a file system like any other: a program finds on it what it finds in a plain directory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.engines.protocols import Launch
from bascule.kernel.quantities import Rate, Share
from bascule.lab import abilities, world
from bascule.lab.abilities import Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = pytest.mark.real
SYSTEM = System(
    system="one",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
APP = "app-north-a-1"
CHECKS = """
import errno, fcntl, hashlib, json, mmap, os, random, socket, stat, sys
os.chdir(sys.argv[1])
told = {}

def tell(name, act):
    try:
        told[name] = act()
    except OSError as error:
        told[name] = errno.errorcode[error.errno]

def put(name, data=b"hello", flags=os.O_WRONLY | os.O_CREAT, mode=0o644):
    line = os.open(name, flags, mode)
    try:
        return os.write(line, data)
    finally:
        os.close(line)

def got(name):
    with open(name, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()

tell("put", lambda: put("a"))
tell("again", lambda: put("a", flags=os.O_WRONLY | os.O_CREAT | os.O_EXCL))
tell("append", lambda: (put("a", b"!", os.O_WRONLY | os.O_APPEND), got("a")))
tell("trunc", lambda: (put("a", b"x", os.O_WRONLY | os.O_TRUNC), os.stat("a").st_size))
tell("none", lambda: os.stat("nothing"))
tell("large", lambda: (put("large", bytes(range(256)) * 20000), got("large")))
tell("hole", lambda: (os.truncate("a", 100_000), got("a")))
tell("mkdir", lambda: (os.mkdir("d", 0o750), stat.S_IMODE(os.stat("d").st_mode)))
tell("mkdir again", lambda: os.mkdir("d"))
tell("many", lambda: [put(f"d/{n:04d}-{'x' * 100}") for n in range(1500)] and sorted(os.listdir("d"))[::100])
tell("long name", lambda: put("n" * 256))
tell("not empty", lambda: os.rmdir("d"))
tell("is a directory", lambda: os.unlink("d"))
tell("not a directory", lambda: os.stat("a/b"))
tell("link", lambda: (os.link("large", "large2"), os.stat("large").st_nlink, got("large2")))
tell("symlink", lambda: (os.symlink("large2", "s"), os.readlink("s"), got("s"), os.lstat("s").st_size))
tell("not through a link", lambda: put("s", flags=os.O_WRONLY | os.O_NOFOLLOW))
tell("no link", lambda: put("large2", flags=os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_NONBLOCK))
tell("no access time", lambda: os.close(os.open("a", os.O_RDONLY | os.O_NOATIME)))
tell("directory opened", lambda: os.close(os.open("d", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)))
tell("no directory opened", lambda: os.close(os.open("a", os.O_RDONLY | os.O_DIRECTORY)))
tell("rename", lambda: (os.rename("large", "d/moved"), got("large2"), os.path.exists("large")))
tell("replace", lambda: (put("new", b"new"), os.replace("new", "large2"), got("s"), os.stat("d/moved").st_nlink))
tell("chmod", lambda: (os.chmod("a", 0o640), stat.S_IMODE(os.stat("a").st_mode)))
tell("times", lambda: (os.utime("a", ns=(15 * 10**8, 25 * 10**8)), os.stat("a").st_atime_ns, os.stat("a").st_mtime_ns))
tell("umask", lambda: (os.umask(0o077), put("masked", mode=0o666), oct(os.stat("masked").st_mode), os.umask(0o022)))
tell("unreadable", lambda: (put("key", mode=0o400, flags=os.O_RDWR | os.O_CREAT), put("key")))

def unnamed():
    line = os.open("gone", os.O_RDWR | os.O_CREAT)
    os.write(line, b"still here")
    os.unlink("gone")
    try:
        return os.pread(line, 100, 0).decode(), os.fstat(line).st_nlink, os.path.exists("gone")
    finally:
        os.close(line)

def mapped():
    line = os.open("mapped", os.O_RDWR | os.O_CREAT)
    os.ftruncate(line, 3 * 4096)
    with mmap.mmap(line, 3 * 4096) as area:
        area[4000:4200] = b"m" * 200
        area.flush()
        first = os.pread(line, 200, 4000) == b"m" * 200
        os.pwrite(line, b"w" * 10, 4100)
        second = bytes(area[4100:4110]).decode()
    os.close(line)
    return first, second, got("mapped")

def allocated():
    line = os.open("allocated", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(line, 0, 1 << 20)
    os.fsync(line)
    os.fdatasync(line)
    os.close(line)
    return os.stat("allocated").st_size, got("allocated")

def locked():
    first, second = open("lock", "w"), open("lock", "w")
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "held"

def spoken():
    with socket.socket(socket.AF_UNIX) as ear, socket.socket(socket.AF_UNIX) as mouth:
        ear.bind("socket")
        ear.listen()
        mouth.connect("socket")
        return stat.S_ISSOCK(os.stat("socket").st_mode)

def scattered():
    dice = random.Random(7)
    line = os.open("scattered", os.O_RDWR | os.O_CREAT | os.O_SYNC)
    for _ in range(300):
        os.pwrite(line, dice.randbytes(dice.randrange(1, 9000)), dice.randrange(200_000))
        if dice.random() < 0.05:
            os.ftruncate(line, dice.randrange(200_000))
    os.close(line)
    return got("scattered")

def copied():
    with open("scattered", "rb") as source, open("copy", "wb") as target:
        left = os.stat("scattered").st_size
        while left > 0:
            left -= os.copy_file_range(source.fileno(), target.fileno(), left)
    return got("copy")

def appended():
    if (child := os.fork()) == 0:
        for _ in range(200):
            put("both", b"c" * 10, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os._exit(0)
    for _ in range(200):
        put("both", b"p" * 10, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.waitpid(child, 0)
    return os.stat("both").st_size

def renamed_in_use():
    line = os.open("before", os.O_RDWR | os.O_CREAT)
    os.write(line, b"1")
    os.rename("before", "after")
    os.write(line, b"2")
    os.close(line)
    return open("after").read()

for one in (unnamed, mapped, allocated, locked, spoken, scattered, copied, appended, renamed_in_use):
    tell(one.__name__, one)
tell("fifo", lambda: (os.mkfifo("fifo"), stat.S_ISFIFO(os.stat("fifo").st_mode)))
tell("room", lambda: os.statvfs(".").f_bavail > 0)
tell("directory sync", lambda: os.fsync(os.open(".", os.O_RDONLY)))
tell("swept", lambda: ([os.unlink("d/" + name) for name in os.listdir("d")], os.rmdir("d"), sorted(os.listdir("."))))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    if why := abilities.disks_refusal():
        pytest.skip(f"no disks that can fail: {why}")
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    client = world.create(directory, layout(SYSTEM, world.choose_prefix("namespaces")), wanted=Abilities(disks=True))
    try:
        home = directory / "members" / APP
        home.mkdir(parents=True)
        client.launch(APP, APP, Launch(argv=("/bin/sleep", "1000")), home)
        yield client
    finally:
        client.down()


def ran(lab: LabClient, script: str, folder: Path) -> object:
    done = lab.run(APP, [sys.executable, "-c", script, str(folder)], timeout_s=60)
    assert done.exit_code == 0, done.stderr.decode()
    return json.loads(done.stdout)


def kind_of(lab: LabClient, folder: Path) -> str:
    done = lab.run(APP, ["stat", "-f", "-c", "%T", str(folder)])
    return done.stdout.decode().strip()


def test_a_program_finds_on_a_disk_what_it_finds_in_a_plain_directory(lab: LabClient) -> None:
    on_disk, plain = lab.directory / "members" / APP / "on-disk", lab.directory / "plain"
    on_disk.mkdir()
    plain.mkdir()
    assert kind_of(lab, on_disk) == "fuseblk" != kind_of(lab, plain)
    found = ran(lab, CHECKS, on_disk)
    assert found == ran(lab, CHECKS, plain)
    assert isinstance(found, dict)
    assert len(found) >= 30


def test_what_is_on_the_disk_lies_beneath_it_and_outside_no_mount_is_seen(lab: LabClient) -> None:
    home = lab.directory / "members" / APP
    done = lab.run(APP, ["/bin/sh", "-c", f"echo inside > {home}/told"])
    assert done.exit_code == 0
    assert (home / "told").read_text() == "inside\n"
    assert str(home) not in Path("/proc/self/mountinfo").read_text()


def test_what_is_written_outside_is_seen_inside(lab: LabClient) -> None:
    home = lab.directory / "members" / APP
    read = "import sys, time\ntext = ''\nwhile text != sys.argv[2]:\n    text = open(sys.argv[1]).read()\nprint(1)"
    for text in ("first", "other", "a longer one", "one as long!"):
        (home / "given").write_text(text)
        done = lab.run(APP, [sys.executable, "-c", read, str(home / "given"), text], timeout_s=20)
        assert done.exit_code == 0
        assert lab.run(APP, ["/bin/sh", "-c", f"printf %s '{text.upper()}' > {home}/given"]).exit_code == 0
        assert (home / "given").read_text() == text.upper()
