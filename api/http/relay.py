"""Outcomes that another thread finds out, for those who wait on the event loop."""

from asyncio import Future, get_running_loop
from collections import deque
from concurrent import futures
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class Relay:
    """One for each event loop, which it is made in. What ends together wakes the loop once: ``asyncio.wrap_future`` does
    so for each, and each time the thread that found out loses the interpreter to the loop."""

    def __init__(self) -> None:
        self.loop = get_running_loop()
        self.ended: deque[Future[None]] = deque()
        self.called = False

    async def wait(self, outcome: "futures.Future[T]") -> T:
        """The outcome. Whoever no longer waits for it takes nothing back."""
        waiter: Future[None] = self.loop.create_future()
        outcome.add_done_callback(partial(self._note, waiter))
        await waiter
        return outcome.result()

    def _note(self, waiter: "Future[None]", _: object) -> None:
        """From any thread. For what ends before the loop has come there need be no second call."""
        self.ended.append(waiter)
        if not self.called:
            self.called = True
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self.called = False  # before the queue is looked into: what ends from here on calls again
        while self.ended:
            waiter = self.ended.popleft()
            if not waiter.done():
                waiter.set_result(None)
