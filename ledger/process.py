"""How a process of the ledger's is set up, what runs in it beside its work, and when it may be told to go."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread, current_thread, main_thread

TO_GO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_AFTER_OBJECTS = 20_000
LOOK_AGAIN_AFTER_LOOKS = 1_000


def tune_gc() -> None:
    """For a process that serves, records or follows.

    What it remembers lives long and holds no cycles, and looking through all of it for garbage again and again took a
    third of each append and of each request. What is there by now is not looked at any more, and what comes is looked at
    once: what outlives that was part of a request that was just being answered, or is let go of by counting alone. A
    second look at a million objects takes most of a second, in which nobody is served: it comes after some 20 million.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(LOOK_AFTER_OBJECTS, LOOK_AGAIN_AFTER_LOOKS, LOOK_AGAIN_AFTER_LOOKS)


@contextmanager
def beside(stop: Event, *threads: Thread) -> Iterator[None]:
    """The threads run as long as the block does: at its end ``stop`` is set, and they are waited for."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def undisturbed() -> Iterator[None]:
    """What would end the process waits for the end of the block.

    A signal's exception comes up anywhere. In what pydantic asks of us it is lost, or turned into an error about the value:
    a sound entry would be found broken, or shown otherwise than it is. So facts are read and folded in such blocks.
    """
    if current_thread() is not main_thread():  # no other thread hears of signals
        yield
        return
    came: list[int] = []
    usual = {one: signal.signal(one, lambda number, _: came.append(number)) for one in TO_GO}
    try:
        yield
    finally:
        for one, handler in usual.items():
            signal.signal(one, handler)
        for number in came[:1]:
            signal.raise_signal(number)
