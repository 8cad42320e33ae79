"""How SIGINT, SIGTERM and SIGHUP end a command: at once while its code is loaded, by an exception once it has begun; in order,
where it runs until it is told to go."""

import os
import signal
import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:  # the module that knows these takes longer to load than a key takes to press
    from collections.abc import Iterator
    from threading import Event
    from types import FrameType
    from typing import NoReturn

USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}


def leave_at_once() -> None:
    """Let signals end the process without a message; one that is ignored, as after `nohup`, stays ignored."""
    for number, usual in USUAL.items():
        if signal.getsignal(number) is usual:
            signal.signal(number, _exit)


def leave_in_order() -> None:
    """From now on let signals raise an exception, so that the command stops what it started."""
    for number in USUAL:
        if signal.getsignal(number) is _exit:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _raise)


@contextmanager
def until_told_to_go(stop: "Event") -> "Iterator[None]":
    """In the block a signal sets ``stop``. Once the block has ended in order, the command ends as the first of them asks."""
    came: list[int] = []

    def note(number: int, frame: "FrameType | None") -> None:
        came.append(number)
        stop.set()

    for number in USUAL:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, note)
    yield
    if came:
        sys.exit(128 + came[0])


def _exit(number: int, frame: "FrameType | None") -> "NoReturn":
    os._exit(128 + number)


def _raise(number: int, frame: "FrameType | None") -> "NoReturn":
    sys.exit(128 + number)
