"""Errors over HTTP: problem documents (RFC 9457), one row for each sort of error, and the page behind its ``type``."""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from api.http.sharing import methods_of
from ledger import errors
from ledger.vocabulary.wording import faults_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
log = logging.getLogger("ledger.http")


@dataclass(frozen=True)
class Problem:
    """One sort of problem: its address below /problems/, its status, and what to do about it."""

    slug: str
    status: int
    title: str
    advice: str

    @property
    def type(self) -> str:
        return f"/problems/{self.slug}"


def _problem(slug: str, status: int, title: str, advice: str) -> Problem:
    return Problem(slug, status, title, advice)


MALFORMED = _problem("malformed", 400, "The body is no JSON", "Send one JSON object, in UTF-8.")
DENIED = _problem("unauthorised", 401, "A key is needed", "Send Authorization: Bearer and a key that was not revoked.")
FORBIDDEN = _problem("forbidden", 403, "The key does not allow this", "Use a key with a role that does.")
CROSS_SITE = _problem(
    "cross-site",
    403,
    "Another site's page sent this",
    "Open the form on the ledger's own pages, and send it from there.",
)
NOT_FOUND = _problem("not-found", 404, "Nothing is known", "Check the name, known_at and valid_at.")
NO_METHOD = _problem("method-not-allowed", 405, "There is no such method here", "See Allow.")
REFUSED = _problem(
    "refused", 409, "A rule forbids it", "Read the stream again; correct an entry instead of repeating it."
)
FLAGGED = _problem(
    "flagged",
    409,
    "It would be flagged",
    "See anomalies. Mend the event, or send it without Prefer: handling=strict to have it recorded and flagged.",
)
STALE = _problem("stale-version", 409, "The stream has moved on", "Read it again and decide anew.")
ROLLED_BACK = _problem(
    "rolled-back",
    409,
    "The ledger was rolled back",
    "Forget what was read and acknowledged before; read from the start.",
)
PRECONDITION = _problem("precondition-failed", 412, "The stream has moved on", "Read it again and decide anew.")
NOT_ACCEPTABLE = _problem(
    "not-acceptable", 406, "There is no such format here", "Send an Accept header with a type that is there, or */*."
)
LATE = _problem("body-late", 408, "The body did not arrive in time", "Send the same again, with the same ids.")
TOO_LARGE = _problem("body-too-large", 413, "The body is too large", "Send at most 1 MiB, in several requests.")
MEDIA = _problem("media-type", 415, "The body is of another type", "Send application/json.")
INVALID = _problem("invalid", 422, "It cannot be read", "See errors: each names a place and what is wrong there.")
HEAD_TOO_LARGE = _problem(
    "head-too-large",
    431,
    "The head is too large",
    "Send an address and headers of at most 64 KiB in all, and at most 100 headers.",
)
ENTRY_TOO_LARGE = _problem("entry-too-large", 422, "The entry is too large", "Shorten its texts.")
ID_REUSED = _problem("id-reused", 422, "The id stands for another entry", "Use a new id for new content.")
NOT_YET = _problem("not-yet", 503, "The projections are behind", "Ask again shortly.")
UNAVAILABLE = _problem("unavailable", 503, "The database cannot do it now", "Send the same again, with the same ids.")
TAKES_TOO_LONG = _problem(
    "takes-too-long", 503, "It takes too long to decide", "Send fewer events in a request, with the same ids."
)
READ_TAKES_TOO_LONG = _problem(
    "read-takes-too-long",
    503,
    "It takes too long to read",
    "Narrow it, by status, words or a party; leave out count and facets; or sort it by id. It may be read in time later, too.",
)
UNREADABLE = _problem(
    "unreadable",
    503,
    "An entry cannot be read",
    "Update the service: a newer one may have recorded it. `ledger audit` names every such entry.",
)
INTERNAL = _problem("internal", 500, "Something failed here", "Report it with the request id.")

ALL = {problem.slug: problem for problem in list(vars().values()) if isinstance(problem, Problem)}

SORTS: dict[type[errors.LedgerError], Problem] = {
    errors.Invalid: INVALID,
    errors.TooLarge: ENTRY_TOO_LARGE,
    errors.Refused: REFUSED,
    errors.Flagged: FLAGGED,
    errors.IdReused: ID_REUSED,
    errors.StaleVersion: STALE,
    errors.RolledBack: ROLLED_BACK,
    errors.NotFound: NOT_FOUND,
    errors.Denied: DENIED,
    errors.NotYet: NOT_YET,
    errors.Unreadable: UNREADABLE,
    errors.Unavailable: UNAVAILABLE,
    errors.TakesTooLong: TAKES_TOO_LONG,
    errors.ReadTakesTooLong: READ_TAKES_TOO_LONG,
    errors.NotAsSigned: UNAVAILABLE,
    errors.Misconfigured: UNAVAILABLE,
    errors.LedgerError: INTERNAL,
}


class BodyTooLarge(errors.LedgerError):
    """The request's body is larger than the service reads."""


class WrongMediaType(errors.LedgerError):
    """The request's body is not declared as JSON."""


class NotAcceptable(errors.LedgerError):
    """No format that the address has is one that the request takes."""


class BodyLate(errors.LedgerError):
    """The request's body did not arrive while the service waited for it."""


SORTS |= {BodyTooLarge: TOO_LARGE, WrongMediaType: MEDIA, NotAcceptable: NOT_ACCEPTABLE, BodyLate: LATE}


def sort_of(error: errors.LedgerError) -> Problem:
    """The problem that an error is shown as: its own class's, else that of the nearest class above it."""
    if isinstance(error, errors.Denied) and error.known:
        return FORBIDDEN
    if isinstance(error, errors.Invalid) and any(fault.code == "json" for fault in error.faults):
        return MALFORMED
    return next(SORTS[sort] for sort in type(error).__mro__ if sort in SORTS)


def told(problem: Problem, detail: str, **more: Any) -> dict[str, Any]:
    """A problem document."""
    return {"type": problem.type, "title": problem.title, "status": problem.status, "detail": detail, **more}


def document(problem: Problem, detail: str, request: Request, **more: Any) -> Response:
    """The response that tells of a problem."""
    body = told(problem, detail, request_id=request.scope.get("request_id"), **more)
    response = Response(to_json(body), problem.status, media_type=MEDIA_TYPE)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="ledger"'
    if problem.status == HTTPStatus.REQUEST_TIMEOUT:
        response.headers["Connection"] = "close"
    return response


def on_ledger_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.LedgerError)
    problem, detail = sort_of(error), str(error)
    if problem is UNAVAILABLE:  # what the database says may name hosts and users
        log.warning("request %s: %s", request.scope.get("request_id"), detail)
        detail = error.detail if isinstance(error, errors.Unavailable) else detail.partition(": ")[0]
    more: dict[str, Any] = {}
    if isinstance(error, errors.Invalid):
        more["errors"] = [fault._asdict() for fault in error.faults]
    if isinstance(error, errors.Refused):
        more["rule"] = error.rule
        more["errors"] = [{"pointer": error.pointer, "detail": str(error), "code": error.rule}]
    if isinstance(error, errors.Flagged):
        more["anomalies"] = [{"code": code, "detail": odd} for code, odd in error.anomalies]
    if isinstance(error, errors.StaleVersion):
        more["current_version"] = error.version
        problem = PRECONDITION if {"if-match", "if-none-match"} & {*request.headers} else problem
    if isinstance(error, errors.RolledBack):
        more["current_epoch"] = error.epoch
        problem = PRECONDITION if error.pointer == "If-Match" else problem
    return document(problem, detail, request, **more)


def on_bad_parameter(request: Request, error: Exception) -> Response:
    """What the framework found wrong with path, query or headers: each with the parameter's name."""
    assert isinstance(error, RequestValidationError)
    faults = faults_of(error.errors(), lambda one: str(one["loc"][1]))
    told = [fault._asdict() for fault in faults]
    return document(INVALID, f"{faults[0].pointer}: {faults[0].detail}", request, errors=told)


def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = {404: NOT_FOUND, 405: NO_METHOD}.get(error.status_code, INVALID)
    response = document(problem, f"{request.method} {request.scope['path']}: {error.detail}", request)
    response.headers.update(error.headers or {})
    if problem is NO_METHOD:
        response.headers["Allow"] = ", ".join(sorted(methods_of(request.app, request.scope)))
    return response


def on_failure(request: Request, error: Exception) -> Response:
    """Whatever nobody foresaw."""
    log.error("request %s failed: %s", request.scope.get("request_id"), type(error).__name__)
    return document(INTERNAL, "the service failed; it has logged why", request)


def install(app: FastAPI) -> None:
    """Show every error as a problem document, and serve the page that each type leads to."""
    app.add_exception_handler(errors.LedgerError, on_ledger_error)
    app.add_exception_handler(RequestValidationError, on_bad_parameter)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_failure)
    app.add_api_route("/problems/{slug}", _page, include_in_schema=False)


def _page(slug: str) -> HTMLResponse:
    problem = ALL.get(slug)
    if problem is None:
        raise errors.NotFound("there is no such problem")
    page = f"<!doctype html><html lang=en><title>{problem.title}</title><h1>{problem.title}</h1><p>{problem.advice}</p>"
    return HTMLResponse(page)
