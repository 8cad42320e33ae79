"""What HTTP costs by itself: the service with constants in the place of the ledger, served by the service's own server.

``python -m benchmarks.constant ledger`` serves every route as it is, and appends to nothing. ``… bytes FOLDER`` serves
each file of a folder under its name, by a route of FastAPI's; a file whose name starts with 304 is answered so.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import Response

import api.app
import api.cli.main
import api.cli.serving
from ledger.service import Ledger
from ledger.vocabulary.fact import Subject
from ledger.writing.decision import Actor, Answer
from ledger.writing.draft import Draft

POSITION = 4_242_424_242
"""Where nothing stands: an answer that names it came from here."""

ANSWER = Answer("01990000-0000-7000-8000-000000000000", POSITION, Subject("initiative:constant"), 11, (), False)


class Outcome(Future[list[Answer]]):
    epoch = last = None


def submit(
    self: Ledger, drafts: Sequence[Draft], actor: Actor, idempotency_key: str | None = None, *, strict: bool = False
) -> Outcome:
    answered = Outcome()
    answered.set_result([ANSWER] * len(drafts))
    return answered


def constants(folder: Path) -> FastAPI:
    app = FastAPI()
    for file in folder.iterdir():
        app.add_api_route(f"/{file.name}", _constant(file.read_bytes(), 304 if file.name.startswith("304") else 200))
    return app


def _constant(body: bytes, status: int) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(b"" if status == 304 else body, status, media_type="application/json")

    return answer


def main() -> None:
    if sys.argv[1] == "ledger":
        setattr(Ledger, "submit", submit)  # noqa: B010  a type checker forbids the plain way
    else:
        app = constants(Path(sys.argv[2]))
        for module in (api.app, api.cli.serving):
            setattr(module, "build", lambda *_: app)  # noqa: B010
    sys.argv[1:] = ["serve"]
    api.cli.main.main()


if __name__ == "__main__":
    main()
