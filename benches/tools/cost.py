#!/usr/bin/env python3
"""What a full-screen terminal program costs while it runs: CPU, resident memory, bytes to the terminal.

cost.py [--seconds S] [--warmup W] [--size COLSxROWS] COMMAND [ARG ...]

Starts COMMAND in a pty of its own, waits W seconds, watches it for S seconds, ends it, and prints one line of JSON.
Counted is the whole process tree of COMMAND: CPU % of one processor, the largest resident size seen (KiB, summed over
the tree), and bytes written to the terminal per second. Standard library only.
"""
import argparse
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def stat(pid):
    """The fields of /proc/PID/stat after the name: state is 0."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def tree(root):
    """root and its descendants; a child is looked for where a parent was found, so 10,000 strangers cost little."""
    found = [root]
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    found += map(int, file.read().split())
        except OSError:
            pass
    return found


def cpu(pid):
    """CPU seconds of a process, of its ended threads too, to the nanosecond: the clock that clock_getcpuclockid(3)
    names. stat counts whole hundredths, a third of what a small program takes in fifteen seconds."""
    return time.clock_gettime(~pid << 3 | 2)


def cost(root):
    """CPU seconds so far (with those of children already waited for) and resident KiB, of the tree."""
    seconds = pages = 0
    for pid in tree(root):
        try:
            fields = stat(pid)
            seconds += cpu(pid) + sum(map(int, fields[13:15])) / TICKS
        except OSError:
            continue
        pages += int(fields[21])
    return seconds, pages * PAGE // 1024


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--warmup", type=float, default=5)
    parser.add_argument("--size", default="160x50")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    wanted = parser.parse_args()
    columns, rows = map(int, wanted.size.split("x"))

    pid, terminal = pty.fork()
    if pid == 0:
        # The size must be there before the program asks for it.
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
        os.execvp(wanted.command[0], wanted.command)

    written = resident = 0
    begin = time.monotonic()
    watch_from = begin + wanted.warmup
    watch_until = watch_from + wanted.seconds
    cpu_before = next_look = None
    died = False
    while (now := time.monotonic()) < watch_until:
        if cpu_before is None and now >= watch_from:
            cpu_before, _ = cost(pid)
            watch_from, written, next_look = now, 0, now
        if next_look is not None and now >= next_look:
            resident = max(resident, cost(pid)[1])
            next_look = now + 3
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                output = os.read(terminal, 65536)
            except OSError:
                output = b""
            if not output:
                died = True
                break
            written += len(output)
    if not died:
        cpu_after, now_resident = cost(pid)
        seconds = time.monotonic() - watch_from
        print(json.dumps({
            "cpu_percent": round(100 * (cpu_after - cpu_before) / seconds, 3),
            "resident_kib": max(resident, now_resident),
            "bytes_per_second": round(written / seconds),
        }))
    for signo in (signal.SIGTERM, signal.SIGKILL):
        for member in reversed(tree(pid)):
            try:
                os.kill(member, signo)
            except OSError:
                pass
        time.sleep(0.3)
    os.close(terminal)
    os.waitpid(pid, 0)
    if died:
        sys.exit(f"{wanted.command[0]} ended by itself")


main()
