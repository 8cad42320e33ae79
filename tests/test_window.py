"""The window: what other threads find out reaches those who wait on the event loop."""

import asyncio
from collections.abc import Callable
from threading import Thread

import pytest

from api.window import Window
from ledger.recorder import Promise


def test_all_who_wait_are_answered_at_one_call() -> None:
    """Each gets its own outcome, or its own error, and what is kept together calls the loop once."""

    async def ask() -> tuple[list[int | BaseException], int]:
        window, promises, calls = Window(), list[Promise[int]](), list[object]()
        call = window.loop.call_soon_threadsafe
        window.loop.call_soon_threadsafe = lambda work: calls.append(call(work))  # type: ignore[method-assign, assignment, misc]

        def promise(tell: Callable[[Promise[int]], None]) -> Promise[int]:
            promises.append(Promise(tell))
            return promises[-1]

        async def one() -> int:
            return await window.wait(promise)

        waiting = [asyncio.ensure_future(one()) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        thread = Thread(target=_keep, args=(promises,))
        thread.start()
        thread.join()
        return await asyncio.gather(*waiting, return_exceptions=True), len(calls)

    outcomes, calls = asyncio.run(ask())
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:3] == [1, 2]
    assert isinstance(outcomes[3], KeyError)
    assert calls == 1


def _keep(promises: list[Promise[int]]) -> None:
    for number, promise in enumerate(promises[:3]):
        promise.keep(number)
    promises[3].fail(KeyError("it went wrong"))


def test_what_is_found_out_at_once_is_answered_too() -> None:
    """A promise that is kept before anybody waits for it is as good as any other."""

    async def ask() -> int:
        def promise(tell: Callable[[Promise[int]], None]) -> Promise[int]:
            kept = Promise[int](tell)
            kept.keep(7)
            return kept

        return await Window().wait(promise)

    assert asyncio.run(ask()) == 7


@pytest.mark.parametrize("error", [None, KeyError("it went wrong")])
def test_a_promise_ends_once_and_tells(error: KeyError | None) -> None:
    """Whoever asked to be told is told once; whoever waits gets the value, or the error."""
    told = list[Promise[int]]()
    promise = Promise[int](told.append)
    with pytest.raises(TimeoutError):
        promise.result(0)
    promise.fail(error) if error else promise.keep(1)
    assert told == [promise]
    assert promise.done()
    if error:
        with pytest.raises(KeyError):
            promise.result()
    else:
        assert promise.result() == 1
