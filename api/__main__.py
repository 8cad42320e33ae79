"""The entry point of `ledger`. A standard stream may be closed, and a signal may come before the code is loaded."""

from api.cli.interrupts import leave_at_once

leave_at_once()  # before anything else is loaded: what is interrupted until then, Python itself reports

import os  # noqa: E402
import sys  # noqa: E402


def main() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it stays open until the process ends
    from api.cli import main as cli

    cli.main()


if __name__ == "__main__":
    main()
