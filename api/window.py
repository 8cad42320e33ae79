"""The window: where requests wait for what other threads find out. Answers are handed out together, at one call."""

from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ledger.recorder import Promise

T = TypeVar("T")


class Window:
    """One for each event loop, which it is made in."""

    def __init__(self) -> None:
        self.loop = get_running_loop()
        self.waiting: deque[Future[None]] = deque()  # for what is known by now
        self.called = False

    async def wait(self, ask: Callable[[Callable[[object], None]], Promise[T]]) -> T:
        """The outcome of the promise that ``ask`` gives. Who no longer waits for it takes nothing back."""
        future: Future[None] = self.loop.create_future()
        promise = ask(partial(self._call, future))
        await future
        return promise.outcome()

    def _call(self, future: "Future[None]", _: object) -> None:
        """From any thread. For what is kept before the loop has come there need be no second call."""
        self.waiting.append(future)
        if not self.called:
            self.called = True
            self.loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self.called = False
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(None)
