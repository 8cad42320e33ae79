"""Commands that read states and entries."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from api.cli.asking import Asking, Document, Given, asking, read_query
from api.cli.opening import opened
from api.cli.remote import Url
from api.cli.replay import brief, show_entries
from api.cli.terminal import out, say, show_json, show_rows, tell, write
from api.http import subjects
from api.http.parameters import MAX_PAGE, AtBasis
from api.http.subjects import read_kind
from ledger.errors import LedgerError, NotFound, did_you_mean
from ledger.log.entry import read_line
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import Asked
from projections.queries import Queries

KnownAt = Annotated[str | None, typer.Option("--known-at", help="A position, or a time such as 2026-06-01T00:00:00Z.")]
ValidAt = Annotated[str | None, typer.Option("--valid-at", help="A day, such as 2024-09-25.")]
TheSubject = Annotated[str, typer.Argument(help="A stream, such as initiative:indus-x.")]
LIKE_IT = 3
"""How many letters of a name that is not known what is meant begins with, too."""


def show(subject: TheSubject, known_at: KnownAt = None, valid_at: ValidAt = None, url: Url = None) -> None:
    about, given = read_subject(subject), _given(known_at=known_at, valid_at=valid_at)
    with asking(url, given) as ledger, _suggesting(ledger, about):
        shown = ledger.show(about, given)
    show_json(shown)


def history(subject: TheSubject, known_at: KnownAt = None, valid_at: ValidAt = None, url: Url = None) -> None:
    about, given = read_subject(subject), _given(known_at=known_at, valid_at=valid_at)
    with asking(url, given) as ledger, _suggesting(ledger, about):
        entries = ledger.history(about, given)
    rows = []
    for line, corrections in entries:
        entry = read_line(line)
        struck = next((f"by entry {one['position']}: {one['reason']}" for one in corrections if "reason" in one), None)
        occurred = entry.data.get("occurred")
        rows.append((entry.position, entry.recorded_at, entry.authid, entry.type, occurred, struck))
    show_rows(("position", "recorded", "by", "type", "occurred", "struck"), rows)


def diff(
    subject: TheSubject,
    from_: Annotated[
        str, typer.Argument(metavar="FROM", help="A position or time of the ledger, or a day of the world.")
    ],
    to: Annotated[str | None, typer.Argument(metavar="TO", help="The same; by default now.")] = None,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    url: Url = None,
) -> None:
    about = read_subject(subject)
    given = _given(to=to, known_at=known_at, valid_at=valid_at) | {"from": from_}
    with asking(url, given) as ledger, _suggesting(ledger, about):
        found = ledger.diff(about, given)
    for one in found["changes"]:
        _show_change(one, about)
    first, last = found["from"], found["to"]
    say(f"{len(found['changes']):,} changes from {_clocks(first)} to {_clocks(last)}")


def _show_change(one: Document, about: Subject) -> None:
    if not out.is_terminal:
        write(to_json(one).decode())
        return
    where = "" if one["subject"] == about else f" of {one['subject']}"
    old, new = (brief(to_json(one[side]).decode()) for side in ("old", "new"))
    entries = ", ".join(map(str, one["entries"]))
    tell(f"{one['field']}{where}: {old} -> {new}  (by {entries or 'the passing of days'})")


def list_(
    kind: Annotated[str, typer.Argument(help="A kind of stream, such as meetings.", metavar="KIND")],
    status: Annotated[str | None, typer.Option(help="With this status.")] = None,
    of_kind: Annotated[str | None, typer.Option("--kind", help="Of this kind, type or sort of instrument.")] = None,
    area: Annotated[str | None, typer.Option(help="In this area.")] = None,
    party: Annotated[str | None, typer.Option(help="With this party, such as party:india.")] = None,
    ref: Annotated[str | None, typer.Option(help="That refer to this stream.")] = None,
    text: Annotated[str | None, typer.Option(help="With words that begin with these.")] = None,
    year: Annotated[str | None, typer.Option(help="Whose date, by which a list is sorted, lies in this year.")] = None,
    due_before: Annotated[str | None, typer.Option(help="Milestones that are due before this day.")] = None,
    overdue: Annotated[
        bool | None, typer.Option("--overdue/--not-overdue", help="Milestones that are, or are not, overdue.")
    ] = None,
    in_force_for: Annotated[
        str | None,
        typer.Option(
            help="Agreements of which nothing says that they are in force as a whole, in force for so many parties at least."
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="By id, name, date or recorded (the last entry); milestones also by due. With - before it downwards: -date."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many.", min=1)] = None,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    url: Url = None,
) -> None:
    given = _given(
        status=status, kind=of_kind, area=area, party=party, ref=ref, text=text, year=year, due_before=due_before, overdue=overdue,
        in_force_for=in_force_for, sort=sort, known_at=known_at, valid_at=valid_at,
    )  # fmt: skip
    name = _kind_of(kind)
    at_once = {"limit": min(limit or MAX_PAGE, MAX_PAGE)}
    with asking(url, given) as ledger:
        _show_states(_pages(ledger, [name], given | at_once), limit)


def search(
    words: Annotated[list[str], typer.Argument(help="Words, or how they begin; all are to be there.")],
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    url: Url = None,
) -> None:
    if not " ".join(words).strip():
        raise typer.BadParameter("WORDS are empty: give one or more to look for")
    given = {"text": " ".join(words), "limit": MAX_PAGE} | _given(known_at=known_at, valid_at=valid_at)
    with asking(url, given) as ledger:
        _show_states(_pages(ledger, KINDS, given))


def _pages(ledger: Asking, kinds: Iterable[str], given: Given) -> Iterator[Document]:
    """The pages of these kinds, which share the basis of the first."""
    for kind in kinds:
        for page in ledger.pages(kind, given):
            yield page
        given = {**given, **{clock: page["basis"][clock] for clock in ("known_at", "valid_at")}}


def _show_states(pages: Iterator[Document], limit: int | None = None) -> None:
    """A line of JSON for each state, whole; a row on a terminal."""
    count, rows = 0, []
    for page in pages:
        items = page["items"][: limit and limit - count]
        count += len(items)
        for state in items:
            if out.is_terminal:
                rows.append((state["subject"], state["status"], state.get("name") or state.get("title"), _day(state)))
            else:
                write(to_json(state).decode())
        if count == limit:
            break
    if rows:
        show_rows(("subject", "status", "name", "day"), rows)
    say(f"{count:,} found at {_clocks(page['basis'])}")


def _day(state: Document) -> str | None:
    """The last day that is known of it: when it was done, else when it is to be."""
    known = [day for day in (state.get("dates") or {}).values() if day]
    return known[-1] if known else state.get("due") or state.get("start")


def _clocks(basis: Document) -> str:
    return f"entry {basis['known_at']:,} on {basis['valid_at']}"


def _kind_of(text: str) -> str:
    try:
        return read_kind(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def _suggesting(ledger: Asking, subject: Subject) -> Iterator[None]:
    """Where nothing is known of a subject, name those that are called nearly so."""
    try:
        yield
    except NotFound as error:
        known = set[str]()
        with suppress(LedgerError):  # what was asked is answered, whatever becomes of this
            like = ledger.pages(subject.kind, {"text": subject.id[:LIKE_IT], "limit": MAX_PAGE})
            known = {one["subject"] for one in next(like)["items"]}
        raise NotFound(f"{error}{'' if subject in known else did_you_mean(subject, known)}") from None


def replay(
    to: Annotated[str | None, typer.Option(help="Up to this position or time.")] = None,
    from_: Annotated[int, typer.Option("--from", help="Show from this position on.", min=1)] = 1,
    subject: Annotated[str | None, typer.Option(help="Show this stream alone.")] = None,
    speed: Annotated[float, typer.Option(help="Entries a second; 0 is as fast as it goes.", min=0)] = 0,
) -> None:
    only = read_subject(subject) if subject else None
    with opened() as at, at.location.pool(1) as pool:
        is_shown = show_entries(Queries(pool), read_asked(to, None, "--to"), only, from_, speed)
    if not is_shown and (subject or from_ > 1):
        raise NotFound(f"there is no entry of {subject or 'the log'} from position {from_:,} to {to or 'the end'}")


def read_subject(text: str) -> Subject:
    try:
        return subjects.read_subject(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def read_asked(known_at: str | None, valid_at: str | None, name: str = "--known-at") -> Asked:
    return read_query(AtBasis, _given(known_at=known_at, valid_at=valid_at), name).asked(name)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
