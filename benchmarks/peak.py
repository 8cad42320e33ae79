"""Runs a command and writes down the peak of its memory, in KiB, and its processor time, in seconds: ``python peak.py FILE COMMAND …``.

Both are those of its processes: the peak of the one that took most, and the time of all. A process of its own, and a small
one: a child begins with the peak of whoever started it.
"""

import os
import signal
import subprocess
import sys


def main() -> None:
    report, *command = sys.argv[1:]
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    _, status, usage = os.wait4(process.pid, 0)
    with open(report, "w") as file:
        file.write(f"{usage.ru_maxrss} {usage.ru_utime + usage.ru_stime}")
    sys.exit(abs(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
