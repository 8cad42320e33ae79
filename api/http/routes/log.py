"""The log as a transparency log (C2SP): checkpoints, tiles, bundles of entries, keys; and proofs made of them.

Whoever checks the log needs no more than what stands below ``/log``: static files, as they could lie anywhere.
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from api.http import shapes
from api.http.compression import coding_of, compressed
from api.http.dependencies import Patient, TheQueries, answer, app_state, digest_of, listed
from api.http.parameters import CheckpointsQuery, ConsistencyQuery, ProofQuery
from ledger.errors import NotFound
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.tiles import BadTile, Tile
from projections.tree.proofs import Proofs, Published

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
IMMUTABLE = "max-age=31536000, immutable"
SOON = "max-age=1"


class PublishedCheckpoint(shapes.CheckpointShape):
    """A checkpoint, when it was signed, and the signed note, with what witnesses say of it (c2sp.org/tlog-checkpoint)."""

    signed_at: datetime
    note: str


class CheckpointPage(BaseModel):
    """Checkpoints, the smaller trees first; ``next`` is where to go on after, null at the end."""

    checkpoints: list[PublishedCheckpoint]
    next: int | None


class Consistency(BaseModel):
    """That one tree begins with another: the proof of RFC 6962, in base64."""

    model_config = ConfigDict(populate_by_name=True)

    from_: shapes.CheckpointShape = Field(alias="from")
    to: shapes.CheckpointShape
    hashes: list[str]


def proofs(reads: TheQueries) -> Proofs:
    return Proofs(reads.pool)


TheProofs = Annotated[Proofs, Depends(proofs)]
log = APIRouter(prefix="/log", tags=["log"], route_class=Patient)
router = APIRouter(prefix="/v1", tags=["log"], route_class=Patient)


def _raw(media_type: str, told: str, *errors: int) -> dict[int | str, dict[str, Any]]:
    """How the reference tells of an answer that is no JSON."""
    shape = {"type": "string"} if media_type == TEXT else {"type": "string", "format": "binary"}
    return {200: {"description": told, "content": {media_type: {"schema": shape}}}, **shapes.problems(*errors)}


@log.get("/checkpoint", response_class=Response, responses=_raw(TEXT, "A signed note: c2sp.org/tlog-checkpoint", 404))
def checkpoint(request: Request, tree: TheProofs) -> Response:
    """The last signed checkpoint, with the signatures of the log and of its witnesses."""
    latest = tree.latest()
    return _answer(request, str(latest.note).encode(), latest.checkpoint.size, SOON, media_type=TEXT)


@log.get("/key", response_class=Response, responses=_raw(TEXT, "Verifier keys, one a line: c2sp.org/signed-note", 404))
def key(request: Request, tree: TheProofs) -> Response:
    """The public keys that signed the last checkpoint. Whoever verifies has them from elsewhere, and compares."""
    told = "".join(f"{one}\n" for one in tree.public_keys())
    return _answer(request, told.encode(), tree.latest().checkpoint.size, SOON, media_type=TEXT)


@log.get("/tile/{path:path}", response_class=Response, responses=_raw(BYTES, "A tile: c2sp.org/tlog-tiles", 404))
def tile(request: Request, tree: TheProofs, path: str) -> Response:
    """A tile of hashes (``<L>/<N>[.p/<W>]``), or a bundle of entries (``entries/<N>[.p/<W>]``)."""
    try:
        wanted = Tile.read(path)
    except BadTile as error:
        raise NotFound(str(error)) from None
    body, more = tree.tile(wanted), {"Vary": "Accept-Encoding"} if wanted.level is None else {}
    if wanted.level is None and (coding := coding_of(listed(request, "accept-encoding"))):
        body, more = compressed(coding, body), more | {"Content-Encoding": coding}
    return _answer(request, body, wanted.end, IMMUTABLE, pinned=True, media_type=BYTES, more=more)


@router.get(
    "/events/{position}/proof",
    response_class=Response,
    responses=_raw(TEXT, "A proof that can be checked offline: c2sp.org/tlog-proof", 404),
)
def proof(request: Request, tree: TheProofs, position: int, query: Annotated[ProofQuery, Query()]) -> Response:
    """That the entry is in the log, in the tree of a checkpoint: with the entry's own bytes as extra data."""
    [made] = tree.proofs([position], query.size)
    named = {"Content-Disposition": f'inline; filename="entry-{position}.tlog-proof"'}
    return _answer(request, str(made).encode(), position, SOON, media_type=TEXT, more=named)


@router.get("/checkpoints", response_model=CheckpointPage, responses=shapes.problems(404))
def checkpoints(request: Request, tree: TheProofs, query: Annotated[CheckpointsQuery, Query()]) -> Response:
    """Every checkpoint that was published, in order."""
    found = tree.page(query.after, query.limit + 1)
    page = found[: query.limit]
    following = page[-1].checkpoint.size if len(found) > query.limit else None
    body = to_json({"checkpoints": [_published(one) for one in page], "next": following})
    return _answer(request, body, page[-1].checkpoint.size if page else 0, SOON, media_type="application/json")


@router.get("/consistency", response_model=Consistency, responses=shapes.problems(404))
def consistency(request: Request, tree: TheProofs, query: Annotated[ConsistencyQuery, Query()]) -> Response:
    """That the tree of one checkpoint begins with the tree of an earlier one."""
    before, after, hashes = tree.consistency(query.from_, query.to)
    told = {"from": _tree(before), "to": _tree(after), "hashes": [b64encode(one).decode() for one in hashes]}
    return _answer(request, to_json(told), after.size, IMMUTABLE, pinned=True, media_type="application/json")


def _tree(one: Checkpoint) -> dict[str, Any]:
    return {"size": one.size, "root": b64encode(one.root).decode()}


def _published(one: Published) -> dict[str, Any]:
    return {**_tree(one.checkpoint), "signed_at": one.signed_at, "note": str(one.note)}


def _answer(
    request: Request, body: bytes, position: int, caching: str, *, pinned: bool = False, media_type: str,
    more: Mapping[str, str] = {},
) -> Response:  # fmt: skip
    """An answer that caches may keep: those of everybody only where everybody may read."""
    who = "public" if app_state(request).settings.public_reads else "private"
    headers = {"Cache-Control": f"{who}, {caching}", **more}
    tag = digest_of(body.decode("latin-1"))
    return answer(request, body, position, tag, pinned=pinned, raw=True, media_type=media_type, more=headers)
