"""The lines of the standard input, each within a bound, in such a way that a signal ends the wait for the next one."""

import os
from asyncio import AbstractEventLoop, Queue, get_running_loop, run_coroutine_threadsafe
from collections.abc import AsyncIterator
from contextlib import suppress
from threading import Thread

MAX_LINE_BYTES = 2**20
READ_BYTES = 2**16


async def lines(source: int) -> AsyncIterator[str]:
    """The lines of a file; of one that is longer than MAX_LINE_BYTES the beginning, which is no message any more.

    The thread that reads is one that nobody waits for at the end, as nothing else could interrupt it.
    """
    pieces, kept = Queue[bytes](1), b""
    Thread(target=_read, args=(source, pieces, get_running_loop()), daemon=True).start()
    while piece := await pieces.get():
        first, *others = piece.split(b"\n")
        kept = (kept + first)[:MAX_LINE_BYTES]
        for other in others:
            yield kept.decode(errors="replace")
            kept = other


def _read(source: int, pieces: Queue[bytes], loop: AbstractEventLoop) -> None:
    """Reads on once what it read is taken; an empty piece is the end."""
    with suppress(RuntimeError, OSError):  # the loop is closed, or the file
        piece = b"begin"
        while piece:
            piece = os.read(source, READ_BYTES)
            run_coroutine_threadsafe(pieces.put(piece), loop).result()
