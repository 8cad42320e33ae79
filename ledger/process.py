"""How a process of the ledger's is set up."""

import gc

LOOK_AFTER_OBJECTS = 20_000
LOOK_AGAIN_AFTER_LOOKS = 1_000


def look_for_garbage_rarely() -> None:
    """For a process that serves, records or follows.

    What it remembers lives long and holds no cycles, and looking through all of it for garbage again and again took a
    third of each append and of each request. What is there by now is not looked at any more, and what comes is looked at
    once: what outlives that was part of a request that was just being answered, or is let go of by counting alone. A
    second look at a million objects takes most of a second, in which nobody is served: it comes after some 20 million.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(LOOK_AFTER_OBJECTS, LOOK_AGAIN_AFTER_LOOKS, LOOK_AGAIN_AFTER_LOOKS)
