"""Policies: whose signatures make a checkpoint count. Against the rules of the specification, told slowly."""

from base64 import b64encode
from collections.abc import Set
from dataclasses import replace

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import ED25519, ED25519_COSIGNATURE, ML_DSA_44, BadNote, SignerKey, signed
from ledger.proofs.policy import BadPolicy, Group, Log, Policy, Witness, check, read_logs

ORIGIN = "log.example/a"
TYPES = (ED25519_COSIGNATURE, ML_DSA_44)


def secret(name: str, type_: int = ED25519_COSIGNATURE) -> SignerKey:
    return SignerKey(name, type_, name.encode().ljust(32, b"."))


SECRETS = [secret(f"witness.example/{number}", TYPES[number % 2]) for number in range(6)]
WITNESSES = [Witness(f"w{number}", one.verifier) for number, one in enumerate(SECRETS)]
LOG_KEYS = [SignerKey(ORIGIN, type_, b"7" * 32) for type_ in (ED25519, ML_DSA_44)]
LOGS = tuple(Log(one.verifier) for one in LOG_KEYS)
TEXT = Checkpoint(ORIGIN, 5, b"r" * 32).text


def text_of(policy: Policy) -> bytes:
    lines = [f"log {one.key}" + (f" {one.url}" if one.url else "") for one in policy.logs]
    lines += [f"witness {one.name} {one.key}" + (f" {one.url}" if one.url else "") for one in policy.witnesses]
    lines += [f"group {one.name} {one.threshold} {' '.join(one.members)}" for one in policy.groups]
    return "".join(f"{line}\n" for line in [*lines, f"quorum {policy.quorum}"]).encode()


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy: groups of what was defined before and is in no group yet."""
    witnesses = draw(st.lists(st.sampled_from(WITNESSES), unique=True, max_size=6))
    free = [one.name for one in witnesses]
    names, groups = list(free), []
    for number in range(draw(st.integers(0, 5)) if free else 0):
        if not free:
            break
        members = draw(st.lists(st.sampled_from(free), unique=True, min_size=1))
        groups.append(Group(f"g{number}", draw(st.integers(1, len(members))), tuple(members)))
        free = [one for one in free if one not in members] + [f"g{number}"]
        names.append(f"g{number}")
    quorum = draw(st.sampled_from([*names, "none"]))
    return Policy(LOGS, tuple(witnesses), tuple(groups), quorum)


def slowly_met(policy: Policy, name: str, cosigned: Set[str]) -> bool:
    """As the specification tells it: a group has witnessed where enough of its members have."""
    for group in policy.groups:
        if group.name == name:
            return sum(slowly_met(policy, member, cosigned) for member in group.members) >= group.threshold
    return name in cosigned


@given_any(policies())
def test_a_policy_is_read_as_it_was_written(policy: Policy) -> None:
    """Whatever it names, in the order in which it names it."""
    assert Policy.read(text_of(policy)) == policy


@given_any(policies(), st.sets(st.sampled_from([one.name for one in WITNESSES] + ["g0", "g4", "none", "x"])))
def test_a_quorum_is_met_by_witnesses_alone(policy: Policy, cosigned: set[str]) -> None:
    """As the specification says; the name of a group is nobody's cosignature; and one more of them never undoes it."""
    known = cosigned & {one.name for one in policy.witnesses}
    expected = policy.quorum == "none" or slowly_met(policy, policy.quorum, known)
    assert policy.is_met(cosigned) == expected
    if expected:
        assert policy.is_met(cosigned | {one.name for one in WITNESSES})


@given_any(policies(), st.sets(st.sampled_from(range(6))), st.sets(st.sampled_from(range(2))))
@settings(deadline=None, max_examples=60)
def test_what_holds_of_a_checkpoint(policy: Policy, witnesses: set[int], logs: set[int]) -> None:
    """Which of the log's keys have signed it, which witnesses and when, and whether that is the quorum."""
    keys = [LOG_KEYS[number] for number in sorted(logs)] + [SECRETS[number] for number in sorted(witnesses)]
    held = check(signed(TEXT, keys, 1_700_000_000), policy)
    named = {one.name for one in policy.witnesses} & {f"w{number}" for number in witnesses}
    assert held.signed == {LOG_KEYS[number].verifier for number in logs}
    assert held.cosigned == dict.fromkeys(named, 1_700_000_000)
    assert held.has_quorum == policy.is_met(named)
    assert held.counts == (bool(logs) and held.has_quorum)


def test_a_key_counts_for_its_own_origin_alone() -> None:
    """What another log of the policy has signed is not signed by this one, though the policy names both."""
    other = SignerKey("log.example/b", ED25519, b"8" * 32)
    policy = Policy((*LOGS, Log(other.verifier)))
    assert not check(signed(TEXT, [other], 1), policy).signed
    assert not check(signed(TEXT, [SECRETS[0]], 1), policy).counts


def test_a_cosignature_without_a_time_is_no_witness() -> None:
    """A witness says when it has seen what it has seen."""
    policy = replace(Policy(LOGS, tuple(WITNESSES[:2])), quorum="w1")
    assert check(signed(TEXT, [LOG_KEYS[0], SECRETS[1]], 0), policy).cosigned == {}


def test_a_wrong_cosignature_voids_the_checkpoint() -> None:
    """Of a witness of the policy; one of a key that it does not name is passed over."""
    note = signed(TEXT, [*LOG_KEYS, SECRETS[0]], 5)
    broken = note._replace(
        text=TEXT, signatures=(*note.signatures[:2], note.signatures[2]._replace(signature=b"x" * 72))
    )
    with pytest.raises(BadNote):
        check(broken, Policy(LOGS, (WITNESSES[0],)))
    assert check(broken, Policy(LOGS, (WITNESSES[1],))).counts


def test_the_example_of_the_specification() -> None:
    """Two of the one organisation's witnesses, and one of the other's."""
    names = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
    lines = [f"witness {name} {one.verifier}" for name, one in zip(names, SECRETS, strict=True)]
    policy = Policy.read(
        "\n".join([
            f"log {LOGS[0].key}", "", *lines[:3], "\tgroup  X-witnesses 2 X1\tX2 X3 ", "  # the others", *lines[3:],
            "group Y-witnesses any Y1 Y2 Y3", "", "group X-and-Y all X-witnesses Y-witnesses", "quorum X-and-Y", "",
        ]).encode()
    )  # fmt: skip
    assert policy.is_met({"X1", "X3", "Y2"})
    assert not policy.is_met({"X1", "X2", "X3"})
    assert not policy.is_met({"X1", "Y1", "Y2", "Y3"})


def test_names_are_octets() -> None:
    """A name need not be text, and two that look alike are two."""
    key = WITNESSES[0].key
    policy = Policy.read(b"witness K%c %s\nquorum K%c\n" % (0xFF, str(key).encode(), 0xFF))
    assert policy.is_met({policy.witnesses[0].name})
    with pytest.raises(BadPolicy):
        Policy.read(b"witness K %s\nquorum \xe2\x84\xaa\n" % str(key).encode())


W = f"witness w {WITNESSES[0].key}\n"
V = f"witness v {WITNESSES[1].key}\n"
TWIN = f"witness t {WITNESSES[0].key._replace(name='twin.example')}\n"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 0, "quorum"),
        (W, 0, "quorum"),
        ("quorum", 1, "no end"),
        ("quorum\n", 1, "quorum NAME"),
        ("quorum x\n", 1, "define it first"),
        ("quorum none\nquorum none\n", 2, "before"),
        (W + "quorum w\r\n", 2, "control character"),
        ("quorum\x7fnone\n", 1, "control character"),
        ("quorum\u00a0none\n", 1, "none of log"),
        ("Quorum none\n", 1, "none of log"),
        ("log\n", 1, "log KEY"),
        ("log a b c\nquorum none\n", 1, "log KEY"),
        ("log a+b\nquorum none\n", 1, "name\\+id\\+base64"),
        (f"log {LOGS[0].key}\n# and\nlog {LOGS[0].key._replace(name='x')}\nquorum none\n", 3, "given before"),
        (W + W + "quorum w\n", 2, "defined before"),
        (W + TWIN + "quorum w\n", 2, "given before"),
        (f"witness none {WITNESSES[0].key}\n", 1, "another name"),
        (f"witness w {LOGS[0].key}\n", 1, "cosignatures"),
        (W + "group g any\n", 2, "group NAME"),
        (W + "group g any g\n", 2, "define it first"),
        (W + "group g any none\n", 2, "define it first"),
        (W + "group g any w w\n", 2, "in a group already"),
        (W + V + "group g any w\ngroup h 1 v w\n", 4, "in a group already"),
        (W + "group w any w\n", 2, "defined before"),
        (W + V + "group g 3 w v\n", 3, "from 1 to 2"),
        (W + V + "group g 0 w v\n", 3, "from 1 to 2"),
        (W + V + "group g 01 w v\n", 3, "from 1 to 2"),
        (W + V + "group g \u0661 w v\n", 3, "from 1 to 2"),
        ("#" * 1_000_001, 0, "longer"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(text: str, line: int, told: str) -> None:
    """The error names the line, what is wrong with it, and what to do."""
    with pytest.raises(BadPolicy, match=told) as error:
        Policy.read(text.encode())
    assert str(error.value).startswith(f"line {line}: ") == (line > 0)


@given_any(st.binary(max_size=200) | st.lists(st.sampled_from([
    b"log", b"witness", b"group", b"quorum", b"none", b"any", b"all", b"1", b" ", b"\t", b"\n", b"w", b"\xff", b"+",
    str(WITNESSES[0].key).encode(), str(LOGS[0].key).encode(), b64encode(b"\x04" * 33), b"\xe2\x80\x94",
])).map(b"".join))  # fmt: skip
@settings(max_examples=500)
def test_whatever_is_given_is_read_or_refused(data: bytes) -> None:
    """Nothing but a policy or its refusal comes of any bytes."""
    for read in (Policy.read, read_logs):
        try:
            read(data)
        except BadPolicy:
            continue


def test_thousands_of_groups_are_counted() -> None:
    """However deep they are nested."""
    groups = "".join(f"group g{number + 1} all g{number}\n" for number in range(3_000)).replace("all g0", "all w", 1)
    policy = Policy.read(f"{W}{groups}quorum g3000\n".encode())
    assert policy.is_met({"w"})
    assert not policy.is_met({"v"})


def test_a_file_of_logs_names_logs_alone() -> None:
    """Each with its key and, if it likes, its address."""
    text = f"# mine\nlog {LOGS[0].key} https://log.example\nlog {LOGS[1].key}\n"
    assert read_logs(text.encode()) == (Log(LOGS[0].key, "https://log.example"), LOGS[1])
    with pytest.raises(BadPolicy, match="line 4: 'quorum' is none of log"):
        read_logs(f"{text}quorum none\n".encode())
