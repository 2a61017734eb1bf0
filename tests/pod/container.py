"""Becomes one container of a simulated pod: mounts, root folder, user, program. See pod.py.

Reads a description as JSON from the file that its argument names, makes a mount namespace of its own,
lays the container's root folder out, enters it and becomes the program: the process id stays the same,
so that signals reach the program as they would reach a container's first process.
"""

import ctypes
import json
import os
import sys

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8

libc = ctypes.CDLL(None, use_errno=True)


def check(result, doing):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source, target, kind, flags, data=None):
    encode = lambda text: None if text is None else text.encode()
    check(libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)),
          f"mount {target}")


def locked_flags(path):
    """What a mount has already and a mount namespace of a user may not take away."""
    flags = os.statvfs(path).f_flag
    kept = 0
    for seen, flag in ((os.ST_NOSUID, MS_NOSUID), (os.ST_NODEV, MS_NODEV), (os.ST_NOEXEC, MS_NOEXEC)):
        kept |= flag if flags & seen else 0
    return kept


def bind(source, target, read_only):
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | locked_flags(target))


def enter(container):
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    root = container["root"]
    mount(root, root, None, MS_BIND)
    for item in container["image"]:
        bind(item["source"], root + item["target"], read_only=True)
    bind("/proc", root + "/proc", read_only=False)
    bind("/dev", root + "/dev", read_only=False)
    # Parents first, so that a volume within a volume is seen.
    for item in sorted(container["mounts"], key=lambda item: item["target"]):
        bind(item["source"], root + item["target"], item["read_only"])
    if container["read_only_root"]:
        mount(None, root, None, MS_REMOUNT | MS_BIND | MS_RDONLY | locked_flags(root))
    os.chroot(root)
    os.chdir(container["working_dir"])
    if container["user"] is not None:
        os.setgroups(container["groups"])
        os.setresgid(*[container["group"]] * 3)
        os.setresuid(*[container["user"]] * 3)
    os.umask(0o022)


def main():
    with open(sys.argv[1]) as file:
        container = json.load(file)
    try:
        enter(container)
        os.execvpe(container["command"][0], container["command"], container["env"])
    except OSError as error:
        sys.exit(f"container {container['name']} not started: {error}")


main()
