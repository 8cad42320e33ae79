"""How lists of states are narrowed, sorted and counted by what they have: the query for each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from ledger.database.connection import sql_blocks
from ledger.vocabulary.registry import KINDS
from projections.search.words import tsquery

SQL = sql_blocks("projections", "queries.sql")


def held(
    stream: LiteralString = "candidates.stream", lane: LiteralString = "''",
    known_at: LiteralString = "%(known_at)s", valid_at: LiteralString = "%(valid_at)s",
) -> LiteralString:  # fmt: skip
    """The row of a lane that holds at a basis, as ``held``, for each row of what stands before it in a query."""
    return SQL["held"].format(stream=stream, lane=lane, known_at=known_at, valid_at=valid_at)


def version(stream: LiteralString = "subject") -> LiteralString:
    """The version that a stream had at a basis."""
    return SQL["version"].format(stream=stream)


KEYS: dict[str, tuple[LiteralString, LiteralString]] = {
    "id": ("''::text", "''::text"),
    "name": ("held.name", "held.name"),
    "date": ("coalesce(day, 'infinity')", "coalesce(day, '-infinity')"),
    "recorded": (SQL["last_position"], SQL["last_position"]),
    "due": ("candidates.due", "candidates.due"),
}
"""By what lists are sorted, upwards and downwards: what has none stands last in both."""
SORTS: dict[str, tuple[LiteralString, LiteralString, LiteralString]] = {
    name: one
    for by, (up, down) in KEYS.items()
    for name, one in ((by, (up, ">", "asc")), (f"-{by}", (down, "<", "desc")))
}
"""The orders that a list may have: their key, how what comes later compares, and the direction."""
FACETS = {"status": "status", "kind": "category", "area": "area", "party": "party", "year": "year"}
"""What states are counted by, as parameters and as filters name it."""
FEW = 1_000
"""Up to so many streams that have the words of a text are looked at all; of more than these, as many as fill a page."""
MOST = 100
"""Of so many words each facet tells: of those that most states have."""


@dataclass(frozen=True)
class Filters:
    """How a list is narrowed. Each may be absent."""

    status: str | None = None
    category: str | None = None
    area: str | None = None
    party: str | None = None
    ref: str | None = None
    text: str | None = None
    due_before: date | None = None
    overdue: bool | None = None
    in_force_for: int | None = None
    year: int | None = None


def list_query(
    name: str, kind: str, filters: Filters, sort: str = "id", after: tuple[str, str] | None = None
) -> tuple[LiteralString, dict[str, Any]]:
    """The query for a list, with a condition for each filter that is given; and what goes into it but the basis."""
    key, beyond, direction = SORTS[sort]
    if _is_found_by_name(filters, sort):
        key = "candidates.name"
    narrowed, statuses = _given(filters), list(KINDS[kind].statuses)
    if name == "count" and narrowed.keys() <= {"status"}:
        return _of_statuses("count_statuses"), {
            "kind": kind,
            "statuses": [filters.status] if filters.status else statuses,
        }
    found_by = _found_by(filters, sort)
    conditions = [SQL[f"filter_{field}"] for field in narrowed if field != found_by]
    if after:
        conditions.append(SQL["filter_after"].format(key=key, beyond=beyond))
    query = SQL[name].format(
        key=key,
        direction=direction,
        conditions=_all(conditions),
        candidates=_candidates(filters, sort),
        held=held(),
        version=version(),
    )
    after_key, after_subject = after or (None, None)
    given = {"kind": kind, "few": FEW, "statuses": statuses, "after_key": after_key, "after_subject": after_subject}
    return query, {**narrowed, **given}


def read_from(filters: Filters) -> list[str]:
    """The projections that a list so narrowed is read from."""
    beside = {"search": filters.text is not None, "due": bool(filters.overdue)}
    return ["states", *(name for name, is_read in beside.items() if is_read)]


def due_rows(conditions: LiteralString, order: LiteralString) -> LiteralString:
    """What was due on a day, as known at a position: from an index for each way in which that can be."""
    held = ("held_open", "held_ended", "held_closed")
    return "\nunion all\n".join(
        SQL["due_rows"].format(held=SQL[one], conditions=conditions, order=order) for one in held
    )


def _of_statuses(name: str, statuses: LiteralString = "%(statuses)s::text[]", **given: LiteralString) -> LiteralString:
    """A query over the statuses that streams have: what the ledger says now, and what it believed."""
    believed = SQL["believed"].format(statuses=statuses)
    return SQL[name].format(open=SQL["held_open"], ended=SQL["held_ended"], believed=believed, **given)


def _by_key(
    column: LiteralString, key: LiteralString, kind: LiteralString, statuses: LiteralString, direction: LiteralString
) -> LiteralString:
    """The streams that have one of some statuses, in the order of a key of theirs, each with that as ``column``."""
    of = {"column": column, "key": key, "kind": kind, "statuses": statuses, "direction": direction}
    open_, ended = (SQL["by_key"].format(held=SQL[one], **of) for one in ("held_open", "held_ended"))
    return SQL["candidates_by_key"].format(
        open=open_, ended=ended, believed=SQL["believed"].format(statuses=statuses), **of
    )


def _candidates(filters: Filters, sort: str) -> LiteralString:
    """The streams that are looked at, in the order of the list where an index has them so."""
    by_due, direction = sort.endswith("due"), SORTS[sort][2]
    statuses: LiteralString = "%(statuses)s::text[]" if filters.status is None else "array[%(status)s::text]"
    if filters.overdue:
        order: LiteralString = f"due {direction}, subject {direction}" if by_due else f"subject {direction}"
        return SQL["candidates_overdue"].format(rows=due_rows(SQL["is_overdue"], order), order=order)
    if by_due:
        due: LiteralString = (
            "coalesce(due, 'infinity'::date)" if direction == "asc" else "coalesce(due, '-infinity'::date)"
        )
        return _by_key("due", due, "'milestone'", statuses, direction)
    if _is_found_by_name(filters, sort):
        return _by_key("name", "name", "%(kind)s", statuses, direction)
    reference = _reference(filters)
    if reference == "ref":
        usual = SQL["candidates_ref"].format(ref="%(ref)s", lanes="array['']", direction=direction)
    elif reference == "party":
        usual = SQL["candidates_ref"].format(ref="%(party)s", lanes="array['', %(party)s]", direction=direction)
    else:
        usual = SQL["candidates"]
    if reference is None and filters.status is not None:
        usual = _of_statuses("candidates_status", statuses, direction=direction)
    return usual if filters.text is None else SQL["candidates_text"].format(direction=direction, usual=usual)


def _is_found_by_name(filters: Filters, sort: str) -> bool:
    """Whether an index has the streams in the order of their names: few that are found otherwise are sorted."""
    return sort.endswith("name") and not filters.overdue and filters.text is None and _reference(filters) is None


def _reference(filters: Filters) -> str | None:
    """The filter by which streams are found that refer to something."""
    return next((name for name in ("ref", "party") if getattr(filters, name) is not None), None)


def _found_by(filters: Filters, sort: str) -> str | None:
    """The filter that all candidates have passed, as they were found by it."""
    return None if filters.overdue or filters.text is not None or sort.endswith("due") else _reference(filters)


def facets_query(kind: str, names: Collection[str], filters: Filters) -> tuple[LiteralString, dict[str, Any]]:
    """The query for facets of a list: what none of them is about narrows all, and each is narrowed by the others."""
    given = _given(filters)
    of = {name: FACETS[name] for name in names if FACETS[name] in given}
    common = {field: getattr(filters, field) for field in given if field not in of.values()}
    narrowed = Filters(**common)
    found_by = _found_by(narrowed, "id")
    facets = []
    for name in names:
        others = [SQL[f"filter_{field}"] for other, field in of.items() if other != name]
        facets.append(SQL[f"facet_{name}"].format(conditions=_all(others)))
    query = SQL["facets"].format(
        candidates=_candidates(narrowed, "id"), held=held(),
        conditions=_all([SQL[f"filter_{field}"] for field in common if field != found_by]),
        facets="\nunion all\n".join(facets),
    )  # fmt: skip
    return query, given | {"kind": kind, "few": FEW, "most": MOST}


def _given(filters: Filters) -> dict[str, Any]:
    """The filters that are given, as their conditions take them."""
    given = {field: value for field, value in vars(filters).items() if value is not None}
    return given | ({"text": tsquery(filters.text)} if filters.text is not None else {})


def _all(conditions: Sequence[LiteralString]) -> LiteralString:
    return "\nand ".join(conditions or [SQL["filter_none"]])
