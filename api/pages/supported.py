"""What stands on a source: the fields of states that entries which cite it have set, and the passages that they cite, in reading order. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from ledger.vocabulary.fact import Subject

NUMBER = re.compile(r"([0-9]+)")


def support(
    source: Subject, events: Iterable[Mapping[str, Any]], states: Iterable[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """``events`` are entries that mention the source, ``states`` those of their streams, with ``provenance`` and ``alternatives``."""
    cited, alone, passages = set[int](), set[int](), list[dict[str, Any]]()
    for event in events:
        own = [one for one in citations(event) if one["source"] == source]
        position = int(event["sequence"])
        cited |= {position} if own else set()
        alone |= {position} if own and len({one["source"] for one in citations(event)}) == 1 else set()
        told = {"type": event["type"], "subject": event["subject"], "position": position}
        passages += [told | {"locator": one.get("locator")} for one in own]
    found: list[dict[str, Any]] = [
        {"subject": state["subject"], "fields": list(_fields(state, cited, alone))} for state in states
    ]
    return {
        "subjects": [one for one in found if one["fields"]],
        "passages": sorted(passages, key=_place),
        "cited": sorted(cited),
    }


def citations(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of an entry; of one that takes another's place those of what it says."""
    data = event["data"]
    found: list[dict[str, Any]] = data.get("replacement", data).get("sources") or []
    return found


def reasons_of(state: Mapping[str, Any]) -> dict[str, list[int]]:
    """The entries that each field of a state rests on; with those of its parts, such as ``dates/consented``, which follow from others."""
    found: dict[str, set[int]] = {}
    for name, positions in state["provenance"].items():
        found.setdefault(name.partition("/")[0], set()).update(positions)
    return {field: sorted(positions) for field, positions in found.items()}


def _fields(state: Mapping[str, Any], cited: Set[int], alone: Set[int]) -> Iterator[dict[str, Any]]:
    """Each field that such an entry has set: whether all that says so cites this source alone, and whether others differ."""
    differing = {name.partition("/")[0] for name in state["alternatives"]}
    for name, said_by in reasons_of(state).items():
        if not cited.isdisjoint(said_by):
            yield {"name": name, "alone": alone >= {*said_by}, "differs": name in differing}


def _place(one: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a passage stands: page 9 before page 10; those of which nobody says where come first."""
    parts = NUMBER.split(one["locator"] or "")
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], one["position"]
