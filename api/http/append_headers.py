"""What the headers of an append state: the key that it may be repeated by, the version that it is held to, and what is preferred."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from api.http.negotiation import ONE
from ledger.errors import Fault, Invalid, RolledBack
from ledger.writing.draft import Draft

QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
BARE = re.compile(r"[!#-~][!-~]*")
IF_MATCH = re.compile(r'\s*(?:W/)?"v(?P<version>\d{1,9})(?:-(?:(?P<epoch>[0-9a-f]{16})-)?[0-9a-f]*)?"\s*')
MAX_KEY = 255
MAX_WAIT_S = 10


def idempotency_key(header: str | None, drafts: Sequence[Draft]) -> str | None:
    """The value of an Idempotency-Key header: a structured-field string, or the bare token that many send."""
    if header is None:
        return None
    quoted = QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
    if not 1 <= len(key) <= MAX_KEY or not (quoted or BARE.fullmatch(header)):
        raise _bad_header("Idempotency-Key", f"is a quoted string of 1 to {MAX_KEY} visible characters")
    if any(draft.id for draft in drafts):
        raise _bad_header("Idempotency-Key", "is for events without an id: send one or the other")
    return key


class Preferences(NamedTuple):
    """What ``Prefer`` asks for (RFC 7240) that the service knows: ``handling=strict``, and ``wait`` for so many seconds."""

    strict: bool = False
    wait_s: int = 0

    @property
    def applied(self) -> dict[str, str]:
        told = ["handling=strict"] * self.strict + [f"wait={self.wait_s}"] * bool(self.wait_s)
        return {"Preference-Applied": ", ".join(told)} if told else {}


def preferences(prefer: Sequence[str]) -> Preferences:
    """Of two that say otherwise the first counts; what is not understood is passed over, and nobody waits for longer than MAX_WAIT_S."""
    found: dict[str, str] = {}
    for one in ONE.findall(",".join(prefer)):
        name, _, value = one.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = found.get("wait", "")
    wait_s = min(int(wait), MAX_WAIT_S) if re.fullmatch("[0-9]{1,6}", wait, re.ASCII) else 0
    return Preferences(found.get("handling", "").lower() == "strict", wait_s)


def held_to(drafts: Sequence[Draft], if_match: str | None, if_none_match: str | None, epoch: str) -> Sequence[Draft]:
    """The drafts, one of them held to the version that a header states. Raises Invalid, RolledBack."""
    versions = {"If-Match": _version(if_match, epoch), "If-None-Match": _no_version(if_none_match)}
    stated = {name: version for name, version in versions.items() if version is not None}
    for name, version in stated.items():
        if len(drafts) > 1:
            raise _bad_header(name, "goes with one event; give several their expected_version")
        if {version, *stated.values(), drafts[0].expected_version} - {version, None}:
            raise _bad_header(name, f"says version {version}, and the body or another header says another")
        drafts = [drafts[0]._replace(expected_version=version)]
    return drafts


def _version(header: str | None, epoch: str) -> int | None:
    """The version in an If-Match header: the ETag of a stream's state, as it was read, or ``"v17"``.

    Raises RolledBack where it was read in another epoch.
    """
    if header is None:
        return None
    match = IF_MATCH.fullmatch(header)
    if match is None:
        raise _bad_header("If-Match", 'is the ETag of the stream\'s state, such as "v17"')
    if match["epoch"] not in (None, epoch):
        raise RolledBack(epoch, "If-Match", f"If-Match is of epoch {match['epoch']}")
    return int(match["version"])


def _no_version(header: str | None) -> int | None:
    """What ``If-None-Match: *`` states: that there is no such stream yet."""
    if header not in (None, "*"):
        raise _bad_header("If-None-Match", "is * on an append: that there is no such stream yet")
    return None if header is None else 0


def _bad_header(name: str, detail: str) -> Invalid:
    return Invalid(f"{name} {detail}", [Fault(name, f"{name} {detail}", "bad_header")])
