"""`ledger evidence`: a pack that shows offline, years later, what a state rests on, and in which every alteration is found."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import pytest

from api.transfer import evidence_verify
from api.transfer.evidence import Files, files_of, write_zip
from api.transfer.evidence_case import gather
from api.transfer.evidence_verify import WRONG, check, read_key
from ledger.database.connection import Connection, LedgerLocation, Pool
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.errors import NotFound
from ledger.proofs.checkpoint import EntryProof
from ledger.proofs.notes import ED25519_COSIGNATURE, ML_DSA_44, SignerKey, VerifierKey
from ledger.proofs.verifier import check_proof
from ledger.service import Ledger
from ledger.vocabulary.fact import Subject
from ledger.writing.draft import read_body
from projections.basis import Asked
from projections.queries import Queries
from projections.runner import Follower
from projections.tree.keys import LogKeys
from projections.tree.proofs import SQL as CHECKPOINTS
from projections.tree.proofs import Proofs
from seeds import FILES, events
from tests.commands import Command
from tests.conftest import CLERK
from tests.examples import THX, USA, event
from tests.service import Service
from tests.signing import ORIGIN, Sign, signed_once, tamper

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]

NAMED = "meeting:pentagon-meeting"
NAMES = (b"Kathleen Hicks", b"Vikram Misri")
TALKS = event(
    "meeting.held", "meeting:talks", "2024-09-10", title='Talks <script>alert("1")</script> & more',
    participants=[{"person": "B. Canary", "office": "A minister"}, {"person": "C. Canary"}],
)  # fmt: skip


@dataclass(frozen=True)
class Seeded:
    """The seed ledger, signed: how to read it, and the public keys of its log."""

    pool: Pool
    keys: list[str]

    def pack(self, subject: str, *, with_names: bool = False, **asked: Any) -> dict[str, bytes]:
        return packed(self.pool, subject, with_names=with_names, **asked)


def packed(pool: Pool, subject: str, *, with_names: bool = False, **asked: Any) -> dict[str, bytes]:
    return dict(files_of(gather(Queries(pool), Subject(subject), Asked(**asked), with_names=with_names)))


@pytest.fixture(scope="module")
def seeded(server: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    location, folder = LedgerLocation(server.location.dsn, "evidence"), tmp_path_factory.mktemp("log")
    migrate(server.owner_dsn, location)
    with location.pool(4) as pool, Ledger(location, pool) as ledger, location.connect() as connection:
        for name in FILES:
            ledger.append(read_body({"events": events(name)}), CLERK)
        follower = Follower(connection)
        follower.create()
        while follower.step():
            pass
        signed_once(location, folder)
        yield Seeded(pool, [str(one.verifier) for one in LogKeys.read(folder / "key").keys])


@pytest.fixture(scope="module")
def pack(seeded: Seeded) -> Files:
    """A pack with corrections and persons, whose names it tells."""
    return seeded.pack(NAMED, with_names=True)


def wrong(files: Files, log_keys: list[str] | None = None, witnesses: list[str] | None = None) -> list[str]:
    """What the verifier finds to be wrong."""
    keys, others = ([read_key(one) for one in several or ()] for several in (log_keys, witnesses))
    return [told for mark, told in check(files, keys, others) if mark == WRONG]


def listed(files: Files) -> dict[str, bytes]:
    """The same files, with a manifest that fits them: what a forger would see to."""
    others = {name: data for name, data in files.items() if name != "manifest"}
    lines = [f"{sha256(others[name]).hexdigest()}  {name}\n" for name in sorted(others)]
    return others | {"manifest": "".join(lines).encode()}


def unpacked(files: Files, folder: Path) -> Path:
    """A pack as its reader has it: written as a zip, and unpacked."""
    write_zip(folder.with_suffix(".zip"), files)
    with ZipFile(folder.with_suffix(".zip")) as pack:
        pack.extractall(folder)
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The pack's own script, in a process of its own that knows nothing of the ledger's code."""
    return subprocess.run(
        [sys.executable, "-I", folder / "verify.py", *arguments], capture_output=True, text=True, timeout=60, cwd="/"
    )


# What is in a pack -----------------------------------------------------------------------------------------------------


def test_every_subject_of_the_seed_has_a_pack(seeded: Seeded, subtests: pytest.Subtests) -> None:
    """Every entry of the stream and of those that belong to it is there, byte for byte, with its proof in one tree, which our own
    verifier takes, too; so are the sources that they cite; and nothing is found to be wrong.
    """
    with seeded.pool.connection() as connection:
        lines = connection.execute("select position, stream, body::text from entries").fetchall()
    stored = {position: line.encode() for position, _, line in lines}
    streams = {position: stream for position, stream, _ in lines}
    for subject in sorted(set(streams.values())):
        with subtests.test(subject=subject):
            files = seeded.pack(subject)
            assert wrong(files, seeded.keys) == []
            held = {int(name[8:-5]): data for name, data in files.items() if name.startswith("entries/")}
            assert held.items() <= stored.items()
            belonging = {subject, *(one["subject"] for one in states_in(json.loads(files["state.json"])))}
            cited = {one["source"] for data in held.values() for one in json.loads(data)["data"]["sources"]}
            expected = {at for at, stream in streams.items() if stream in belonging | cited}
            assert expected == held.keys()
            for position, data in held.items():
                proof = EntryProof.read(files[f"proofs/{position:06}.tlog-proof"].decode())
                assert str(proof.checkpoint).encode() == files["checkpoint"]
                assert check_proof(proof, [VerifierKey.read(one) for one in seeded.keys], data).size == len(stored)


def states_in(state: Any) -> Iterator[dict[str, Any]]:
    """The states that belong to one."""
    for group in state.values():
        for one in group if isinstance(group, list) else ():
            if isinstance(one, dict) and "subject" in one and "version" in one:
                yield one


def test_the_files_are_what_they_are_called(seeded: Seeded, pack: Files) -> None:
    """Beside entries and proofs: the state, the page, the schemas of the types, of what replaces a fact, too; and the keys."""
    names = {name for name in pack if not name.startswith(("entries/", "proofs/"))}
    assert names == {
        "README.txt", "page.html", "state.json", "checkpoint", "keys", "manifest", "verify.py", "disclosures.json",
        "schemas/entry.superseded.1.json", "schemas/meeting.held.1.json", "schemas/meeting.statement_made.1.json",
        "schemas/meeting.topic_discussed.1.json", "schemas/source.registered.1.json",
    }  # fmt: skip
    assert pack["keys"].decode().split() == seeded.keys
    assert len(pack["README.txt"].decode().splitlines()) == 10


def test_state_and_schemas_are_as_the_service_serves_them(service: Service, sign: Sign, pool: Pool) -> None:
    """Byte for byte, for those who see no names."""
    service.given(THX, TALKS)
    sign().round()
    files = packed(pool, "meeting:talks")
    assert files["state.json"] == service.get("/v1/meetings/talks").content
    assert files["schemas/meeting.held.1.json"] == service.get("/v1/event-types/meeting.held/1").content


def test_the_state_is_that_of_its_basis(seeded: Seeded) -> None:
    """As known earlier and on another day, with no entry that is later; in the newest tree."""
    early, late = (seeded.pack(NAMED, known_at=position) for position in (70, 131))
    states = [json.loads(files["state.json"]) for files in (early, late)]
    assert [state["dates"]["held"] for state in states] == [None, "2024-09-25"]
    assert [state["basis"]["checkpoint"]["size"] for state in states] == [131, 131]
    assert max(name for name in early if name.startswith("entries/")) == "entries/000070.json"
    assert wrong(early, seeded.keys) == []
    before = seeded.pack("meeting:indus-x-summit-3", valid_at=date(2024, 10, 1))
    assert json.loads(before["state.json"])["basis"]["valid_at"] == "2024-10-01"
    with pytest.raises(NotFound, match="nothing is known"):
        seeded.pack("meeting:indus-x-summit-3", valid_at=date(2024, 9, 1))


def test_the_same_is_the_same_file(seeded: Seeded, tmp_path: Path) -> None:
    """Byte for byte, with names in order, times that are fixed, and files that all may read."""
    for name in ("one", "other"):
        write_zip(tmp_path / name, seeded.pack(NAMED, known_at=131, valid_at=date(2026, 1, 1)))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    with ZipFile(tmp_path / "one") as zipped:
        assert zipped.namelist() == sorted(zipped.namelist())
        assert {one.date_time for one in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.external_attr >> 16 for one in zipped.infolist()} == {0o100644}


# The page ---------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser makes of a page: its tags, and whether each that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def test_the_page_tells_all_of_it(seeded: Seeded, subtests: pytest.Subtests) -> None:
    """Every entry stands in it, and is linked where a field rests on it; it loads nothing and runs nothing."""
    for subject in (NAMED, "agreement:sosa", "initiative:indus-x", "milestone:f414-co-production", "party:usa"):
        with subtests.test(subject=subject):
            files = seeded.pack(subject)
            page = Page(files["page.html"].decode())
            assert page.open == []
            ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
            assert ids == {f"entry-{int(name[8:-5])}" for name in files if name.startswith("entries/")}
            links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
            assert {link[1:] for link in links if link and link.startswith("#")} <= ids
            assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe", "object", "form"})
            assert not [name for _, attributes in page.tags for name in attributes if name.startswith(("on", "src"))]
            basis = json.loads(files["state.json"])["basis"]
            for told in (basis["checkpoint"]["root"], ORIGIN, "131", basis["valid_at"], "by clerk (api key)"):
                assert told in page.said


def test_what_was_recorded_is_shown_and_does_nothing(service: Service, sign: Sign, pool: Pool) -> None:
    """Titles, addresses and notes that look like HTML are text in the page."""
    url = "https://example.org/?a=1&b=\"onmouseover='x'"
    cited = [{"source": "source:thx", "locator": "<u>1</u>", "url": url}]
    service.given(
        THX, TALKS, event("meeting.described", "meeting:talks", place="</table><img>", note="<i>", sources=cited)
    )
    sign().round()
    page = Page(packed(pool, "meeting:talks")["page.html"].decode())
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "u"})
    for text in ('Talks <script>alert("1")</script> & more', "</table><img>", "<i>", "<u>1</u>", url):
        assert text in page.said
    assert url in {attributes.get("href") for _, attributes in page.tags}


# Names ------------------------------------------------------------------------------------------------------------------


def test_names_are_told_only_if_asked_for(seeded: Seeded, pack: Files) -> None:
    """Else no file holds one; and if so, what opens each commitment is there, and the page names them."""
    without = seeded.pack(NAMED)
    assert not [name for name, data in without.items() for one in NAMES if one in data]
    assert b"tells no names" in without["README.txt"]
    holding = {name for name, data in pack.items() for one in NAMES if one in data}
    assert holding == {"disclosures.json", "page.html"}
    assert b"tells no names" not in pack["README.txt"]


def test_another_name_is_found(seeded: Seeded, pack: Files) -> None:
    """A name or a salt that is not the one that was committed to, though the manifest fits."""
    told = json.loads(pack["disclosures.json"])
    for number, opened in told.items():
        for pointer, one in opened.items():
            for other in ({"value": "Somebody else"}, {"salt": "A" * 43}):
                forged = told | {number: opened | {pointer: one | other}}
                files = listed({**pack, "disclosures.json": json.dumps(forged).encode()})
                assert wrong(files, seeded.keys) == [
                    f"disclosures.json: entry {number} holds another name at {pointer}"
                ]


def test_an_erased_name_is_in_no_pack(service: Service, sign: Sign, pool: Pool, command: Command) -> None:
    """The entry and its proof stay; the page says that the name was erased, and the other person's name is told."""
    service.given(THX, TALKS)
    command("erase", 2, "/data/participants/0/person", "--ground", "article_17")
    while service.follower.step():
        pass
    sign().round()
    files = packed(pool, "meeting:talks", with_names=True)
    assert not [name for name, data in files.items() if b"B. Canary" in data]
    assert b"whose name was erased" in files["page.html"]
    assert b"C. Canary" in files["page.html"]
    assert wrong(files) == []


def test_no_pack_is_written_that_would_not_stand(
    service: Service, sign: Sign, command: Command, superuser: Connection, tmp_path: Path
) -> None:
    """Where a name in the database was exchanged, or an entry altered, it is refused, and no file is left behind."""
    service.given(THX, TALKS)
    sign().round()
    out = tmp_path / "out" / "pack.zip"
    out.parent.mkdir()
    tamper(superuser, "update disclosures set value = 'D. Canary' where value = 'C. Canary'")
    told = command("evidence", "meeting:talks", "-o", out, "--with-names", code=3).stderr
    assert "holds another name at /data/participants/1/person" in told
    tamper(
        superuser, "update entries set body = replace(body::text, 'A minister', 'A Minister')::json where position = 2"
    )
    command("evidence", "meeting:talks", "-o", out, code=4)
    assert list(out.parent.iterdir()) == []


# Verifying ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", [NAMED, "agreement:sosa", "source:pentagon-meeting-article"])
def test_the_script_stands_by_itself(seeded: Seeded, tmp_path: Path, subject: str) -> None:
    """In a process that knows nothing of the ledger: with keys from elsewhere, and with those of the pack, which it says."""
    folder = unpacked(seeded.pack(subject, with_names=True), tmp_path / "pack")
    (tmp_path / "published").write_text("\n".join(seeded.keys))
    for given in ([f"--log-key={one}" for one in seeded.keys], [f"--log-key={tmp_path / 'published'}"]):
        done = run(folder, *given)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "agrees with itself" not in done.stdout
        assert "ML-DSA-44" in done.stdout
        assert subject in done.stdout
        assert done.stdout.endswith("The pack is as it should be.\n")
    done = run(folder)
    assert done.returncode == 0, done.stdout
    assert "agrees with itself" in done.stdout


def test_the_script_needs_little() -> None:
    """The standard library and `cryptography`, and nothing of ours."""
    source = Path(evidence_verify.__file__).read_text()
    nodes = [*ast.walk(ast.parse(source))]
    modules = {one.module or "" for one in nodes if isinstance(one, ast.ImportFrom)}
    modules |= {alias.name for one in nodes if isinstance(one, ast.Import) for alias in one.names}
    assert {one.split(".")[0] for one in modules} <= sys.stdlib_module_names | {"cryptography"}


def test_a_byte_of_any_file_is_found(seeded: Seeded, pack: Files) -> None:
    """Whichever byte of whichever file is another, the verifier names the file."""
    dice = Random(1)
    for name in sorted(pack) * 5:
        found = wrong({**pack, name: spoilt(pack[name], dice)}, seeded.keys)
        assert any(name in one for one in found), (name, found)


def spoilt(data: bytes, dice: Random) -> bytes:
    other = bytearray(data)
    other[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(other)


def test_a_byte_of_what_was_signed_is_found_without_the_manifest(seeded: Seeded, pack: Files) -> None:
    """Though the manifest is made to fit, the entry is named by its position, and the checkpoint by its name."""
    dice = Random(2)
    for name in [one for one in sorted(pack) if one.startswith(("entries/", "proofs/", "checkpoint"))] * 5:
        found = wrong(listed({**pack, name: spoilt(pack[name], dice)}), seeded.keys)
        number = name.partition("/")[2].partition(".")[0]
        assert any(f"entry {number}:" in one if number else "checkpoint" in one for one in found), (name, found)


def test_files_that_are_added_or_taken_away_are_found(seeded: Seeded, pack: Files, tmp_path: Path) -> None:
    """Each is named; an entry that the state names, and any other of its streams, is missed though the manifest fits."""
    assert "notes.txt was changed, added or taken away, or its line in the manifest was" in wrong(
        {**pack, "notes.txt": b""}
    )
    for name in pack:
        assert any(name in one for one in wrong(without(pack, name), seeded.keys)), name
    for number in (one[8:-5] for one in pack if one.startswith("entries/")):
        less = listed(without(pack, f"entries/{number}.json", f"proofs/{number}.tlog-proof"))
        found, line = wrong(less, seeded.keys), json.loads(pack[f"entries/{number}.json"])
        if not line["subject"].startswith("source:"):
            assert any(f"{NAMED} has 14 entries" in one for one in found), number
        for half in (f"entries/{number}.json", f"proofs/{number}.tlog-proof"):
            assert any(half in one for one in wrong(listed(without(pack, half)), seeded.keys))
    assert "entry 107 is named in state.json, and is not in the pack" in wrong(
        listed(without(pack, "entries/000107.json", "proofs/000107.tlog-proof")), seeded.keys
    )
    folder = unpacked(pack, tmp_path / "pack")
    (folder / "entries" / "000107.json").unlink()
    done = run(folder)
    assert done.returncode == 1
    assert "WRONG  entry 000107: entries/000107.json is missing" in done.stdout
    assert done.stdout.endswith("The pack is NOT as it should be.\n")


def without(files: Files, *names: str) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name not in names}


def test_entries_cannot_stand_in_for_others(seeded: Seeded, pack: Files) -> None:
    """Under another number, or of another tree, or later than what the state rests on."""
    moved = {
        f"entries/{131:06}.json": pack["entries/000107.json"],
        f"proofs/{131:06}.tlog-proof": pack["proofs/000107.tlog-proof"],
    }
    assert "entry 000131: it is of another position" in wrong(listed({**pack, **moved}), seeded.keys)
    early = seeded.pack(NAMED, known_at=70)
    more = {name: pack[name] for name in ("entries/000107.json", "proofs/000107.tlog-proof")}
    assert "entry 107 is later than what state.json rests on" in wrong(listed(early | more), seeded.keys)


def test_only_the_right_key_counts(seeded: Seeded, pack: Files, tmp_path: Path) -> None:
    """Not that of another log under the same name, nor what somebody has put into the pack, once a key is given."""
    stranger = [str(one.verifier) for one in LogKeys.new(ORIGIN).keys]
    folder = unpacked(pack, tmp_path / "pack")
    done = run(folder, f"--log-key={stranger[0]}")
    assert done.returncode == 1
    assert f"no signature of {ORIGIN} could be verified with the keys that are trusted" in done.stdout
    assert any("could be verified" in one for one in wrong(listed({**pack, "keys": "\n".join(stranger).encode()})))
    assert any("no key" in one for one in wrong(listed({**pack, "keys": b"nonsense"})))
    for one in seeded.keys:
        assert wrong(pack, [one]) == []
    done = run(folder, "--log-key=nonsense")
    assert (done.returncode, "is no key" in done.stderr) == (2, True)


def test_without_ml_dsa_it_says_so(seeded: Seeded, pack: Files, tmp_path: Path) -> None:
    """Where `cryptography` is too old, the other signature is enough; where it is missing, none could be verified."""
    folder = unpacked(pack, tmp_path / "pack")
    lacking = (
        "import runpy, sys; _, missing, *sys.argv = sys.argv; sys.modules[missing] = None; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )

    def run_without(module: str, *keys: str) -> subprocess.CompletedProcess[str]:
        given = [f"--log-key={one}" for one in keys]
        command = [sys.executable, "-I", "-c", lacking, module, str(folder / "verify.py"), str(folder), *given]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    mldsa = "cryptography.hazmat.primitives.asymmetric.mldsa"
    done = run_without(mldsa)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was not checked: install a version of `cryptography` that has ML-DSA-44" in done.stdout
    assert run_without(mldsa, seeded.keys[1]).returncode == 1
    done = run_without("cryptography.exceptions", *seeded.keys)
    assert (done.returncode, done.stderr) == (1, "")
    assert "no signature" in done.stdout


def test_nothing_that_a_pack_holds_makes_the_script_fail(pack: Files) -> None:
    """Whatever somebody writes into a file, and makes the manifest fit: it is told, and there is no traceback."""
    nonsense = [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"basis":{}}',
        b"a\n1\nb\n\n\xe2\x80\x94 x y\n",
        b"9" * 5000,
    ]
    for name in (
        "checkpoint",
        "state.json",
        "disclosures.json",
        "keys",
        "entries/000107.json",
        "proofs/000107.tlog-proof",
    ):
        for data in nonsense:
            found = wrong(listed({**pack, name: data}))
            assert found or (name, data) == ("disclosures.json", b"{}")
    for name in ("entries/x.json", "proofs/000001.json", "entries/000999999999999999999999.json"):
        assert wrong(listed({**pack, name: b"{}"}))
    assert wrong({}) != []


# Checkpoints and witnesses -----------------------------------------------------------------------------------------------


def test_what_is_not_signed_yet_is_refused(service: Service, sign: Sign, command: Command, tmp_path: Path) -> None:
    """With what to do; a file that is there stays, and what was signed by then can be had."""
    out = tmp_path / "pack.zip"
    out.write_bytes(b"an older one")
    service.given(THX, TALKS)
    assert "nothing is signed yet" in command("evidence", "meeting:talks", "-o", out, code=1).stderr
    sign().round()
    service.given(USA, event("meeting.described", "meeting:talks", place="A town"))
    told = command("evidence", "meeting:talks", "-o", out, code=4).stderr
    assert "the first 2 entries are signed, and 4 are asked for" in told
    assert out.read_bytes() == b"an older one"
    done = command("evidence", "meeting:talks", "-o", out, "--known-at", 2)
    assert "cosigned by no witness" in done.stderr
    assert done.stdout == ""
    with ZipFile(out) as pack:
        assert wrong({name: pack.read(name) for name in pack.namelist()}) == []


def test_what_cannot_be_had_is_refused(service: Service, sign: Sign, command: Command, tmp_path: Path) -> None:
    """Subjects that nothing is known of, or that are none; places that cannot be written to."""
    service.given(THX, TALKS)
    sign().round()
    assert "nothing is known" in command("evidence", "meeting:none", "-o", tmp_path / "x", code=1).stderr
    assert "is no subject" in command("evidence", "talks", "-o", tmp_path / "x", code=2).stderr
    told = command("evidence", "meeting:talks", "-o", tmp_path / "no" / "x", code=4).stderr
    assert told == f"ledger: the pack cannot be written to {tmp_path / 'no' / 'x'}: no such file or directory\n"
    assert "not a directory" in command("log", "export", tmp_path / "keys" / "log", code=4).stderr
    command("evidence", "meeting:talks", "-o", tmp_path, code=2)
    assert [one.name for one in tmp_path.iterdir()] == ["keys"]


def test_the_checkpoint_is_the_one_that_most_have_cosigned(
    service: Service, sign: Sign, pool: Pool, reader: Connection, tmp_path: Path
) -> None:
    """Of those that hold the basis: the last, but rather an earlier one with more witnesses. Each witness can be asked for."""
    service.given(THX, TALKS)
    signer = sign()
    signer.round()
    one, other = (
        SignerKey(name, type_, name.encode().ljust(32, b"."))
        for name, type_ in (("witness.example/a", ED25519_COSIGNATURE), ("witness.example/b", ML_DSA_44))
    )
    cosign(reader, pool, one, other)
    service.given(USA)
    signer.round()
    cosign(reader, pool, one)
    keys = [str(one.verifier), str(other.verifier)]
    old, new = packed(pool, "meeting:talks", known_at=2), packed(pool, "meeting:talks")
    assert [int(files["checkpoint"].split(b"\n")[1]) for files in (old, new)] == [2, 3]
    assert wrong(old, witnesses=keys) == []
    assert [told for told in wrong(new, witnesses=keys) if "witness.example/b" in told]
    assert wrong(new, witnesses=keys[:1]) == []
    assert b"witness.example/a, on 2023-11-14 at 22:13:20 UTC" in old["page.html"]
    done = run(unpacked(old, tmp_path / "pack"), *(f"--witness={key}" for key in keys))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("is cosigned by") == 2


def cosign(connection: Connection, pool: Pool, *witnesses: SignerKey) -> None:
    """These witnesses cosign the last checkpoint."""
    latest = Proofs(pool).latest()
    for key in witnesses:
        line = key.sign(latest.note.text, 1_700_000_000).line
        with connection.transaction():
            connection.execute(CHECKPOINTS["cosign"], {
                "origin": ORIGIN, "size": latest.checkpoint.size, "witness": f"{key.name}+{key.type}", "line": line,
                "cosigned_at": latest.signed_at,
            })  # fmt: skip
