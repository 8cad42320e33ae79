"""How a process of the ledger's is set up."""

import gc


def look_for_garbage_rarely() -> None:
    """For a process that serves, records or follows.

    What it remembers lives long and holds hardly any cycles, and looking through all of it for garbage again and again
    took a third of each append and of each request. What is there by now is not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
