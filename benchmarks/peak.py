"""Runs a command and writes down the peak of its memory, in KiB: ``python peak.py FILE COMMAND …``.

A process of its own, and a small one: a child begins with the peak of whoever started it.
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
        file.write(str(usage.ru_maxrss))
    sys.exit(abs(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
