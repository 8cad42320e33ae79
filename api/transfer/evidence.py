"""Evidence packs: a state with all that it rests on and what proves it, as one file that anyone checks offline, years later."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.resources import files as resources
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from pydantic_core import to_json

from api.http.documents import schema_json
from api.transfer.evidence_case import Case, Opened
from api.transfer.evidence_page import page
from api.transfer.evidence_verify import WRONG, check
from ledger.errors import NotAsSigned, Unavailable, in_words
from ledger.log.entry import Entry
from ledger.vocabulary.fact import SCHEMAS, Fact, schema_of
from ledger.vocabulary.registry import FACTS

Files = Mapping[str, bytes]
"""The files of a pack, by their names."""
AT = (1980, 1, 1, 0, 0, 0)
"""When each file of a pack was made, as far as its zip tells: what is the same is the same byte for byte."""
README = """\
Evidence: {subject} on {valid_at}, as {origin} knew it from its first {known_at} entries.
To read it, open page.html: the state, each entry with its sources and times, and what was signed.
To check it, run `python verify.py` in this folder. It needs Python 3.11 or later and `pip install cryptography`, no network.
THE KEYS in the file `keys` must be compared with those that you have of this log from elsewhere. Give these: `--log-key KEY`, or
a file of them. Without that the pack shows only that it agrees with itself. For a witness that you trust, add `--witness KEY`.
state.json is the state as the ledger serves it; schemas/ tells what the entries' data mean.
entries/ holds the exact bytes of each entry it rests on; proofs/ a proof of each (c2sp.org/tlog-proof) in one tree.
checkpoint is the signed note of that tree, of {size} entries, with its cosignatures. manifest lists every file with its SHA-256.
Persons: {persons}
What a pack can show, and what it cannot, is told at the top of verify.py.
"""
WITHHELD = "entries hold a commitment for each, and this pack tells no names."
DISCLOSED = (
    "entries hold a commitment for each; disclosures.json tells their names and what opens these. Pass it on with care."
)


def files_of(case: Case) -> Files:
    """Every file of the pack. Raises NotAsSigned where its own verifier would find something."""
    files = dict(_files(case))
    listed = (f"{sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    files["manifest"] = "".join(listed).encode()
    if wrong := [told for mark, told in check(files) if mark == WRONG]:
        raise NotAsSigned(f"no pack was written, as it would not stand: {'; '.join(wrong)}")
    return files


def _files(case: Case) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", _readme(case).encode()
    yield "page.html", page(case).encode()
    yield "state.json", case.state.encode()
    yield "checkpoint", str(case.note).encode()
    yield "keys", "".join(f"{one}\n" for one in case.keys).encode()
    yield "verify.py", resources("api.transfer").joinpath("evidence_verify.py").read_bytes()
    for (position, line), proof in zip(case.lines.items(), case.proofs, strict=True):
        yield f"entries/{position:06}.json", line.encode()
        yield f"proofs/{position:06}.tlog-proof", str(proof).encode()
    for schema, shape in _shapes(case.entries):
        yield f"schemas/{schema.removeprefix(SCHEMAS).replace('/', '.')}.json", schema_json(shape)
    if case.opened is not None:
        yield "disclosures.json", _disclosures(case.opened)


def _readme(case: Case) -> str:
    at, persons = case.checkpoint, WITHHELD if case.opened is None else DISCLOSED
    return README.format(
        subject=case.document["subject"], valid_at=case.basis.valid_at, known_at=case.basis.known_at,
        origin=at.origin, size=at.size, persons=persons,
    )  # fmt: skip


def _shapes(entries: list[Entry]) -> Iterator[tuple[str, type[Fact]]]:
    """The schema of each entry's data, and of the fact that a correction puts in another's place, in the version that it has."""
    for entry in entries:
        yield (schema := schema_of(entry.dataschema)), FACTS[entry.type].schemas[schema]
        if replacement := entry.data.get("replacement"):
            known = FACTS[replacement["type"]].schemas
            dataschema = replacement.get("dataschema") or next(iter(known))
            yield dataschema, known[dataschema]


def _disclosures(opened: Opened) -> bytes:
    """By entry and pointer: the name, and the salt that its commitment was made with."""
    return to_json({
        f"{position:06}": {
            one.pointer: {"salt": urlsafe_b64encode(one.salt).rstrip(b"=").decode(), "value": one.value} for one in several
        }
        for position, several in opened.items()
    })  # fmt: skip


def write_zip(path: Path, files: Files) -> None:
    """The whole file or none of it; the same files are the same bytes. Raises Unavailable."""
    draft = path.with_name(f".{path.name}.new")
    try:
        with ZipFile(draft, "w") as pack:
            for name in sorted(files):
                info = ZipInfo(name, AT)
                info.create_system, info.external_attr = 3, 0o100644 << 16  # as on Unix: all may read it
                pack.writestr(info, files[name])
        os.replace(draft, path)
    except OSError as error:
        raise Unavailable(
            f"the pack cannot be written to {path}: {in_words(OSError(error.errno, error.strerror))}"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
