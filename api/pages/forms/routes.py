"""Recording from a page: choose a fact, fill in its form, see what it would change, record it. Only admins."""

from asyncio import get_running_loop
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from secrets import token_urlsafe
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from api.http.append_headers import idempotency_key
from api.http.auth import Holder, Role, allow
from api.http.dependencies import MEANWHILE_S, TheQueries, app_state, with_persons
from api.http.parameters import Ref
from api.http.previews import given_in, preview_json
from api.http.problems import sort_of
from api.http.response_cache import RequestContext
from api.http.routes.events import record
from api.pages.forms.fields import Section, ref_pattern, sections_of, widget
from api.pages.forms.filled import flat
from api.pages.forms.filling import FLAG, Filling, Told, filled, kinds_in, reasons, without_row
from api.pages.rendering import HTML, SAFE, Page, label_of
from api.pages.routes import PageRoute, event_of
from api.pages.signing_in import form_of
from ledger.errors import IdReused, Invalid, NotFound, Refused, StaleVersion
from ledger.service import Preview
from ledger.vocabulary.correction import WORLD
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS
from ledger.writing.decision import Actor
from ledger.writing.draft import Draft, read_body
from projections.basis import Asked
from projections.diff import changes
from projections.listing import Filters
from projections.page_queries import later, version_of
from projections.queries import Queries

LISTED = 100
"""How many streams a field suggests."""
SHOWN = 50
"""How many entries that came meanwhile are shown."""
NO_STORE = {**SAFE, "Cache-Control": "no-store"}
router = APIRouter(route_class=PageRoute, include_in_schema=False)

BY_KIND = {one.name: [fact.type for fact in one.facts] for one in KINDS.values()}

WorldType = Annotated[str, Path(pattern=r"^[a-z]+\.[a-z_]+$", max_length=100)]


class AboutQuery(BaseModel):
    """What a fact is to be recorded of."""

    subject: Ref | None = None


async def editor(request: Request, reads: TheQueries) -> Holder:
    """Only admins append, whatever they may read. Raises Denied."""
    context: RequestContext = request.scope["context"]
    assert context.looked_up is not None
    return allow(context.looked_up.holders, request.headers.get("authorization"), Role.admin)


Editor = Annotated[Holder, Depends(editor)]


async def form_of_editor(request: Request, holder: Editor) -> list[tuple[str, str]]:
    """The form of who may still append when it is there. Raises Denied, Unavailable, and as ``form_of`` does."""
    began = get_running_loop().time()
    given = await form_of(request)
    if get_running_loop().time() - began > MEANWHILE_S:
        key = request.headers.get("authorization")
        allow((await app_state(request).writers.look_up(key)).holders, key, Role.admin)
    return given


Given = Annotated[list[tuple[str, str]], Depends(form_of_editor)]


@router.get("/append")
def choose(request: Request, reads: TheQueries, holder: Editor, query: Annotated[AboutQuery, Query()]) -> Response:
    """Which fact: each kind's, in the order of its life; of one stream those of its kind, first what fits its status."""
    page = Page(request, reads, reads.basis(Asked()), moves=False)
    status = status_of(reads, Subject(query.subject)) if query.subject else None
    groups = by_status(Subject(query.subject), status) if query.subject else BY_KIND
    shown = to_json({"subject": query.subject, "status": status}).decode()
    return Response(page.html("append.html", shown, groups=groups, formats=()), headers=NO_STORE, media_type=HTML)


def status_of(reads: Queries, subject: Subject) -> str | None:
    """Today's; None where nothing is known of it."""
    found, _ = reads.find(subject, Asked())
    status: str | None = from_json(found.state.doc)["status"] if found else None
    return status


def by_status(subject: Subject, status: str | None) -> dict[str, list[str]]:
    """The types of fact that fit a stream of this status, and the others."""
    kind = KINDS[subject.kind]
    fits = [fact.type for fact in kind.facts if kind.expects(fact, status)]
    others = [fact.type for fact in kind.facts if fact.type not in fits]
    known = status is not None
    return {
        "What fits" if known else "What its first fact may be": fits,
        "Unusual here: it may be flagged" if known else "Refused as its first fact, as nothing is known of it": others,
    }


@router.get("/append/{type}")
def empty_form(
    request: Request, reads: TheQueries, holder: Editor, type: WorldType, query: Annotated[AboutQuery, Query()]
) -> Response:
    """The form of a fact, with nothing filled in but what it is of."""
    event = {"type": type} | ({"subject": query.subject} if query.subject else {})
    filling = Filling(f"/append/{type}", type, world_sections(type), event, new_key(), seen(reads, query.subject))
    return form_page(request, reads, filling)


@router.post("/append/{type}")
async def send_form(request: Request, reads: TheQueries, holder: Editor, type: WorldType, given: Given) -> Response:
    """Show what the fact would change, record it, or go on filling it in."""
    return await take(request, reads, holder, f"/append/{type}", type, world_sections(type), given)


@router.post("/append/{type}/check")
async def check_form(request: Request, holder: Editor, type: WorldType, given: Given) -> Response:
    """What is wrong with a form so far, and what would be flagged, as JSON: nothing is recorded."""
    filling = filled("", type, world_sections(type), by_field(given))
    return await check(request, holder, filling)


def world_sections(type_: str) -> tuple[Section, ...]:
    """Raises NotFound."""
    if type_ not in WORLD:
        raise NotFound(f"there is no fact {type_!r} to record: /append lists them; an entry is corrected from its page")
    return sections_of(type_)


def new_key() -> str:
    return token_urlsafe(16)


def by_field(given: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The values of a form, by the names of its fields."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in given:
        found[name].append(value)
    return found


def seen(reads: Queries, subject: str | None) -> str:
    """A stream with the version that it has: nothing where none is named, version 0 where it is not there yet."""
    return f"{subject} {version_of(reads, Subject(subject))}" if subject else ""


async def take(
    request: Request, reads: Queries, holder: Holder, path: str, type_: str, sections: tuple[Section, ...], given: Given,
    fixed: Mapping[str, Any] = {},
) -> Response:  # fmt: skip
    """Do with a form what its button says. ``fixed`` is what the event says whatever the form does."""
    values: Mapping[str, Sequence[str]] = by_field(given)
    if row := values.get("remove"):
        values = without_row(values, row[0])
    filling = with_fixed(filled(path, type_, sections, values), fixed)
    filling = replace(filling, key=filling.key or new_key(), extra=next(iter(values.get("add", ())), ""))
    do = next(iter(values.get("do", ())), "preview")
    if filling.extra or row or do == "edit":
        return await run_in_threadpool(form_page, request, reads, filling)
    try:
        drafts, preview = await previewed(request, holder, filling)
        if preview.answers[0].repeated:
            return recorded_as(preview.answers[0].position)
        if do == "record" and not filling.unticked(preview.answers[0].anomalies):
            answers = await record(request, drafts, Actor("api_key", holder.name), filling.key)
            return recorded_as(answers[0].position)
    except (Invalid, Refused) as error:
        return await run_in_threadpool(refused_page, request, reads, filling, error)
    return await run_in_threadpool(preview_page, request, reads, filling, preview, missed=do == "record")


def with_fixed(filling: Filling, fixed: Mapping[str, Any]) -> Filling:
    event = filling.event | {"subject": fixed["subject"]} if "subject" in fixed else filling.event
    return replace(filling, event=event | ({"data": event["data"] | fixed["data"]} if "data" in fixed else {}))


def recorded_as(position: int) -> Response:
    return RedirectResponse(f"/entries/{position}", 303, NO_STORE)


async def previewed(request: Request, holder: Holder, filling: Filling) -> tuple[Sequence[Draft], Preview]:
    """What would become of the event. Raises Invalid, Refused."""
    drafts = read_body(filling.posted)
    key = idempotency_key(filling.key, drafts)
    actor = Actor("api_key", holder.name)
    return drafts, await run_in_threadpool(app_state(request).ledger.preview, drafts, actor, key)


async def check(request: Request, holder: Holder, filling: Filling) -> Response:
    """As a preview, in short: errors by the pointers of the fields, and anomalies."""
    told: dict[str, Any] = {"errors": [], "anomalies": []}
    try:
        _, preview = await previewed(request, holder, replace(filling, key=new_key()))
        odd = reasons(preview.answers[0].anomalies)
        told["anomalies"] = [{"codes": one.codes, "detail": "; ".join(one.details)} for one in odd]
    except (Invalid, Refused) as error:
        shown = filling.with_error(error).told
        pointers = [fault.pointer for fault in filling.faults(error)]
        told["errors"] = [{"pointer": at, **one._asdict()} for at, one in zip(pointers, shown, strict=True)]
    return Response(to_json(told), headers=NO_STORE, media_type="application/json")


def form_page(request: Request, reads: Queries, filling: Filling, status: int = 200, notice: str = "") -> Response:
    """The form, with what was filled in and what is wrong with it."""
    page = Page(request, reads, reads.basis(Asked()), moves=False)
    shown = to_json({"event": filling.event, "changed": filling.changed}).decode()
    lists = {kinds: known(reads, kinds) for kinds in sorted(kinds_in(filling.sections))}
    html = page.html(
        "append_form.html", shown, filling=filling, notice=notice, lists=lists, ref_pattern=ref_pattern, widget_of=widget,
        facts_of=facts_of, formats=(),
    )  # fmt: skip
    return Response(html, status, NO_STORE, HTML)


def facts_of(subject: str) -> list[str]:
    """The types of fact that stand in a stream, in the order of its life."""
    return [fact.type for fact in KINDS[Subject(subject).kind].facts]


def known(reads: Queries, kinds: Sequence[str]) -> list[tuple[str, str]]:
    """Streams that a field may refer to, each with what it is called."""
    found: list[tuple[str, str]] = []
    for kind in kinds:
        rows, _, _ = reads.page(kind, Asked(), Filters(), "id", None, LISTED // len(kinds))
        found += [(row.subject, label_of({"id": row.subject} | from_json(row.doc))) for row in rows]
    return found


def refused_page(request: Request, reads: Queries, filling: Filling, error: Invalid | Refused) -> Response:
    """The form again. What was filled in stays; a new version of the stream is seen from now on, with what led to it."""
    told = filling.with_error(error)
    if isinstance(error, StaleVersion):
        told = replace(told, seen=f"{error.subject} {error.version}", changed=since(reads, told))
    if isinstance(error, IdReused):
        again = "This form was recorded already, with something else in it. Send it again to record this as well."
        told = replace(told, key=new_key(), told=(Told("", "", again),))
    return form_page(request, reads, told, sort_of(error).status)


def since(reads: Queries, filling: Filling) -> tuple[dict[str, Any], ...]:
    """The entries of a stream that whoever fills in the form has not seen."""
    subject, _, version = filling.seen.rpartition(" ")
    return tuple(event_of(line) for line in later(reads, Subject(subject), int(version), SHOWN))


def preview_page(request: Request, reads: Queries, filling: Filling, preview: Preview, *, missed: bool) -> Response:
    """What would be recorded, what that would change, and what is odd about it: each to be ticked."""
    day = app_state(request).ledger.clock().date()
    states, _ = with_persons(request, to_json(preview_json(preview, day)), given_in(preview))
    answer, subject = preview.answers[0], Subject(preview.answers[0].subject)
    filling = replace(filling, seen=f"{subject} {preview.before[subject].version}")
    body = {"event": filling.event, "changes": [one._asdict() for one in changed(from_json(states))]}
    page = Page(request, reads, reads.basis(Asked()), moves=False)
    hidden = [*flat(filling.event), ("key", filling.key), ("seen", filling.seen)]
    html = page.html(
        "append_preview.html", to_json(body).decode(), filling=filling, answer=answer, hidden=hidden, missed=missed,
        posted=to_json(filling.event, indent=2).decode(), flag=FLAG, odd=reasons(answer.anomalies), formats=(),
    )  # fmt: skip
    return Response(html, 422 if missed else 200, NO_STORE, HTML)


def changed(states: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What differs between the states before and after, beside the anomalies, which are ticked; the parts of parties by themselves."""
    return [
        one for one in changes(_documents(states, "before"), _documents(states, "after")) if one.field != "anomalies"
    ]


def _documents(states: Sequence[Mapping[str, Any]], side: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in states:
        shown = dict(one[side] or {})
        for part in shown.pop(PARTICIPATION.plural, ()):
            found[f"{one['subject']} {part['party']}"] = _plain(part)
        found[one["subject"]] = _plain(shown)
    return found


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """A state without what names it."""
    return {name: one for name, one in document.items() if name not in ("subject", "id", "agreement", "party")}
