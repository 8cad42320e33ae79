"""The vocabulary: every type with its fields, every code, and what is no fact."""

import json
from enum import StrEnum
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ledger.errors import Invalid
from ledger.vocabulary import codes
from ledger.vocabulary.areas import AREA_STANDARDS
from ledger.vocabulary.countries import FORMER_COUNTRIES
from ledger.vocabulary.fact import COMMON, Fact
from ledger.vocabulary.registry import FACTS, KINDS
from ledger.writing.draft import parse_json, read_body, read_draft
from tests.examples import SOURCES, event
from tests.minimal import (
    COMMITMENT,
    FULL,
    MINIMAL,
    PERSON,
    fact_of,
    given,
    opener,
    own,
    world_types,
)

_SHEET = "title description publisher author url published retrieved language media_type sha256"
_BRIDGE = "short_name areas other_areas objective parent parties"
_PACT = "title description instrument_type binding ambit publicity parties initiatives subject_matter term"
_TALKS = "description kind start end place mode organisers invitees participants parent initiatives agreements"
_COMMITMENT = "from to amount currency quantity unit due text"

# Every type of VOCABULARY.md: its required fields, and the others, as they stand there.
VOCABULARY: dict[str, tuple[str, str]] = {
    "source.registered": ("kind", _SHEET),
    "source.described": ("", f"kind {_SHEET}"),
    "source.retracted": ("reason", ""),
    "party.registered": ("kind name", "short_name country parent identifiers"),
    "party.described": ("", "kind name short_name country parent identifiers"),
    "party.renamed": ("name", ""),
    "party.succeeded": ("by mode", ""),
    "party.dissolved": ("", ""),
    "party.restored": ("", "reason"),
    "initiative.reported": ("name kind", _BRIDGE),
    "initiative.launched": ("name kind", _BRIDGE),
    "initiative.described": ("", f"name kind {_BRIDGE}"),
    "initiative.party_joined": ("party role", "on_behalf_of"),
    "initiative.party_left": ("party", ""),
    "initiative.planned": ("", "start end"),
    "initiative.activated": ("", ""),
    "initiative.suspended": ("reason", ""),
    "initiative.resumed": ("", ""),
    "initiative.finalising": ("", ""),
    "initiative.closed": ("reason", ""),
    "initiative.cancelled": ("reason", ""),
    "initiative.reopened": ("reason", ""),
    "initiative.related": ("other relation", ""),
    "initiative.commitment_made": ("commitment strength", _COMMITMENT),
    "initiative.commitment_revised": ("commitment", f"strength {_COMMITMENT}"),
    "initiative.commitment_partly_fulfilled": ("commitment", "amount currency quantity unit text"),
    "initiative.commitment_fulfilled": ("commitment", ""),
    "initiative.commitment_withdrawn": ("commitment", ""),
    "initiative.objective_stated": ("text", ""),
    "initiative.claim_recorded": ("text", ""),
    "agreement.mentioned": ("", _PACT),
    "agreement.negotiation_opened": ("", ""),
    "agreement.negotiation_concluded": ("", ""),
    "agreement.negotiation_abandoned": ("", ""),
    "agreement.adopted": ("", "forum place"),
    "agreement.signed": ("", f"signatories places {_PACT}"),
    "agreement.consented": ("party method", "deposited_with"),
    "agreement.signature_withdrawn": ("party", ""),
    "agreement.consent_withdrawn": ("party", ""),
    "agreement.provisionally_applied": ("", "party"),
    "agreement.provisional_application_ended": ("", "party"),
    "agreement.entered_into_force": ("", "party"),
    "agreement.reserved": ("party text", ""),
    "agreement.reservation_withdrawn": ("party", ""),
    "agreement.objected": ("party", "target text"),
    "agreement.declared": ("party text", ""),
    "agreement.amended": ("", "by text rationale"),
    "agreement.supplemented": ("", ""),
    "agreement.extended": ("", "new_end"),
    "agreement.renewed": ("", "new_end"),
    "agreement.upgraded": ("by", ""),
    "agreement.suspended": ("", "party ground"),
    "agreement.resumed": ("", ""),
    "agreement.withdrawal_notified": ("party", ""),
    "agreement.withdrawal_revoked": ("party", ""),
    "agreement.party_withdrew": ("party", ""),
    "agreement.terminated": ("ground", ""),
    "agreement.expired": ("", ""),
    "agreement.superseded": ("by", ""),
    "agreement.revived": ("reason", ""),
    "agreement.registered": ("registry number", ""),
    "agreement.related": ("other relation", ""),
    "agreement.described": ("", _PACT),
    "meeting.proposed": ("title", _TALKS),
    "meeting.scheduled": ("title", _TALKS),
    "meeting.confirmed": ("", ""),
    "meeting.rescheduled": ("start", "previous_start"),
    "meeting.postponed": ("reason", ""),
    "meeting.moved_online": ("", ""),
    "meeting.cancelled": ("reason", ""),
    "meeting.reinstated": ("", "reason start"),
    "meeting.held": ("", "title description participants place kind start end initiatives agreements parent"),
    "meeting.attendance_recorded": ("participants", ""),
    "meeting.topic_discussed": ("topic", "label about verb emphasis"),
    "meeting.statement_made": ("act", "speakers about text"),
    "meeting.outcome_recorded": ("kind ref", ""),
    "meeting.described": ("", f"title {_TALKS}"),
    "milestone.reported": ("title", "type of description"),
    "milestone.scheduled": ("due", "title due_after of"),
    "milestone.rescheduled": ("due", "reason"),
    "milestone.met": ("", ""),
    "milestone.partially_met": ("", "share text"),
    "milestone.not_met": ("reviewed_on", ""),
    "milestone.reopened": ("reason", ""),
    "milestone.withdrawn": ("reason", ""),
    "milestone.evidence_added": ("source", ""),
    "milestone.described": ("", "title type of description"),
    "entry.voided": ("target reason_code reason", ""),
    "entry.superseded": ("target replacement reason_code reason", ""),
    "entry.annotated": ("target text", ""),
    "entry.disputed": ("target by ground", ""),
    "entry.dispute_resolved": ("target outcome", ""),
    "entry.value_erased": ("target pointer ground", ""),
    "entry.log_begun": ("target origin before size root reason", ""),
}

# "a or b" in VOCABULARY.md: one of them must be there.
EITHER: dict[str, dict[str, Any]] = {
    "source.registered": {"title": "A sheet", "description": "One page"},
    "agreement.mentioned": {"title": "A pact", "description": "On the river"},
    "agreement.amended": {"by": "agreement:other", "text": "Article 3 reads anew"},
    "meeting.held": {"title": "Talks", "description": "On the river"},
    "milestone.partially_met": {"share": 0.5, "text": "The beams"},
}

SOURCELESS = {type_ for type_ in FACTS if type_.startswith(("entry.", "source."))} | {"party.registered"}

CODES: dict[type[StrEnum], str] = {
    codes.Modality: "stated implied author_claim inferred",
    codes.SourceKind: (
        "news_article official_readout press_release treaty_text gazette dataset speech social_post report legislation "
        "depositary_notification website other"
    ),
    codes.PartyKind: (
        "state government_body armed_force international_org company industry_body academic fund consortium forum "
        "supranational other"
    ),
    codes.SuccessionMode: "continuation merger split dissolution",
    codes.InitiativeKind: (
        "partnership ecosystem co_production co_development procurement exercise_series challenge dialogue research "
        "workstream framework other"
    ),
    codes.Role: (
        "lead funder accountable extending implementer supplier licensor recipient participant observer host organiser "
        "candidate invited"
    ),
    codes.InitiativeRelation: "parent child sibling co_funded third_party continues replaces",
    codes.Strength: "declaratory pledge firm delivered",
    codes.Area: (
        "policy_coordination exercises peacekeeping research_development co_development co_production "
        "technology_transfer procurement_trade industrial_base innovation_ecosystem jet_engines munitions land_mobility "
        "space maritime_security regional_security interoperability information_sharing classified_information "
        "logistics liaison_officers officer_exchange education_training operational_cooperation cyber "
        "trade climate environment energy health critical_minerals artificial_intelligence quantum undersea education science "
        "migration employment finance digital industry agriculture water transport tourism culture justice human_rights "
        "emergency_response other"
    ),
    codes.InstrumentType: (
        "treaty convention agreement protocol exchange_of_notes exchange_of_letters memorandum_of_understanding "
        "memorandum_of_agreement arrangement declaration joint_statement statement_of_intent plan_of_action roadmap "
        "contract licence amendment annex other unknown"
    ),
    codes.Binding: "binding non_binding unknown",
    codes.Ambit: "bilateral trilateral plurilateral multilateral regional interministerial",
    codes.Publicity: "public partly_secret secret unknown",
    codes.SignatureMode: "definitive subject_to_ratification ad_referendum exchange_of_notes unknown",
    codes.ConsentMethod: (
        "ratification acceptance approval accession succession definitive_signature formal_confirmation "
        "consent_to_be_bound simplified_procedure confirmation_of_signature_ad_referendum provisional_application_notice"
    ),
    codes.Ground: (
        "consent term_expired denunciation breach replaced superseded sunset impossibility fundamental_change "
        "implied_by_later other unknown"
    ),
    codes.AgreementRelation: (
        "amends supplements extends renews modifies replaces upgrades terminates implements annex_to corrects "
        "framework_of parent prior"
    ),
    codes.MeetingKind: (
        "bilateral summit ministerial working_group senior_official dialogue_2plus2 conference signing "
        "exercise_planning other"
    ),
    codes.MeetingMode: "in_person online hybrid",
    codes.Participation: "CHAIR REQ-PARTICIPANT OPT-PARTICIPANT NON-PARTICIPANT",
    codes.PartStat: "NEEDS-ACTION ACCEPTED DECLINED TENTATIVE DELEGATED",
    codes.OutcomeKind: "agreement initiative milestone joint_statement",
    codes.MilestoneType: (
        "approval engagement assessment delivery reporting financing payment signature launch first_production "
        "technology_transfer export_authorisation exercise_held other"
    ),
    codes.CorrectionReason: (
        "transcription_error wrong_date wrong_precision wrong_party wrong_stream duplicate never_occurred "
        "source_corrected source_retracted better_source translation_error misread_source unauthorised_entry test_entry"
    ),
    codes.DisputeOutcome: "upheld rejected split",
    codes.ErasureGround: "consent_withdrawn article_17 court_order retention recorded_in_error other",
    codes.AnomalyCode: (
        "date_order missing_predecessor dangling_reference source_conflict future_act outside_source_date "
        "duplicate_suspect after_end repeated_act"
    ),
}

STATUSES = {
    "initiative": {"reported", "identified", "active", "suspended", "finalising", "closed", "cancelled"},
    "agreement": {
        "mentioned", "negotiating", "adopted", "signed", "provisional", "in_force", "suspended", "terminated",
        "expired", "superseded", "abandoned",
    },
    "meeting": {"proposed", "scheduled", "postponed", "cancelled", "held"},
    "milestone": {"reported", "scheduled", "met", "partiallyMet", "notMet", "withdrawn"},
}  # fmt: skip


def own_fields(fact: type[Fact]) -> dict[str, bool]:
    """The fact's own fields by the name that is posted, and whether they are required."""
    return {field.alias or name: field.is_required() for name, field in fact.model_fields.items() if name not in COMMON}


def faults(event: Any) -> dict[str, str]:
    """What is wrong with an event, by pointer."""
    with pytest.raises(Invalid) as error:
        read_draft(event)
    return {fault.pointer: fault.code for fault in error.value.faults}


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return event | {"data": {name: value for name, value in event["data"].items() if name not in names}}


def test_every_type_is_there() -> None:
    """What can be recorded is what the vocabulary lists: no type more, none less."""
    assert set(FACTS) == set(VOCABULARY)
    assert set(MINIMAL) == set(FACTS)
    assert all(fact.type == type_ for type_, fact in FACTS.items())


def test_fields_of(subtests: pytest.Subtests) -> None:
    """A type requires what the vocabulary requires, no more, and has all the fields that it names."""
    for type_ in VOCABULARY:
        with subtests.test(type_):
            required, others = (set(words.split()) for words in VOCABULARY[type_])
            fields = own_fields(FACTS[type_])
            assert {name for name, needed in fields.items() if needed} == required
            assert others <= set(fields)
            assert set(FULL[type_]["data"]) == set(fields), "the fullest example gives every field"


def test_required_fields_are_missed(subtests: pytest.Subtests) -> None:
    """A fact without a required field is refused with a pointer to each that is missing."""
    for type_ in VOCABULARY:
        with subtests.test(type_):
            required = VOCABULARY[type_][0].split()
            for name in required:
                assert faults(without(MINIMAL[type_], name)) == {f"/data/{name}": "missing"}
                assert f"/data/{name}" in faults(MINIMAL[type_] | {"data": MINIMAL[type_]["data"] | {name: None}})


def test_one_of_two_is_enough(subtests: pytest.Subtests) -> None:
    """Where the vocabulary says "or", either will do, both will do, and neither will not."""
    for type_ in EITHER:
        with subtests.test(type_):
            both = EITHER[type_]
            bare = without(MINIMAL[type_], *both)
            for name, value in both.items():
                assert fact_of(bare | {"data": bare["data"] | {name: value}})
            assert fact_of(bare | {"data": bare["data"] | both})
            assert list(faults(bare)) == [f"/data/{next(iter(both))}"]


def test_smallest_and_fullest(subtests: pytest.Subtests) -> None:
    """The smallest and the fullest event of every type are admitted to an opened stream, and evolve it."""
    for type_ in FACTS:
        with subtests.test(type_):
            for example in (MINIMAL[type_], FULL[type_]):
                stream = given(opener(type_))
                if type_ == "entry.dispute_resolved":
                    stream.append(MINIMAL["entry.disputed"])
                if type_ in ("source.registered", "party.registered"):
                    stream = given(example)
                else:
                    stream.append(example)
                lanes = stream.history.lanes
                assert any(
                    step.state.now.position == stream.position for steps in lanes.values() for step in steps
                ) == (not type_.startswith("entry.") or type_ == "entry.superseded")
                assert (stream.status() is None) == (type_ == "entry.voided")


def test_fields_that_nobody_knows(subtests: pytest.Subtests) -> None:
    """A field that the fact does not have is refused where it stands, and so is a common field among its own."""
    for type_ in FACTS:
        with subtests.test(type_):
            example = MINIMAL[type_]
            assert faults(example | {"data": example["data"] | {"colour": "red"}}) == {
                "/data/colour": "extra_forbidden"
            }
            assert faults(example | {"colour": "red"}) == {"/colour": "extra_forbidden"}
            assert faults(example | {"data": example["data"] | {"occurred": "2024"}}) == {"/data/occurred": "misplaced"}


def test_sources_are_required(subtests: pytest.Subtests) -> None:
    """Every fact cites a source; corrections, sources themselves and the registration of a party may do without."""
    for type_ in FACTS:
        with subtests.test(type_):
            bare = {name: value for name, value in MINIMAL[type_].items() if name != "sources"}
            if type_ in SOURCELESS:
                assert fact_of(bare).sources == fact_of(bare | {"sources": []}).sources == ()
            else:
                assert list(faults(bare)) == list(faults(bare | {"sources": []})) == ["/sources"]


def test_citations() -> None:
    """A citation names a source, and may say where in it and at which address; it names nothing else."""
    example = MINIMAL["initiative.activated"]
    full = {"source": "source:thx", "locator": "p. 4", "url": "https://example.org/a"}
    assert fact_of(example | {"sources": [full]}).sources[0].model_dump() == full
    assert faults(example | {"sources": [{"source": "party:usa"}]}) == {"/sources/0/source": "string_pattern_mismatch"}
    assert faults(example | {"sources": [*SOURCES, {"locator": "p. 4"}]}) == {"/sources/1/source": "missing"}
    assert list(faults(example | {"sources": [full | {"url": "javascript:alert(1)"}]})) == ["/sources/0/url"]
    assert list(faults(example | {"sources": [full | {"page": "4"}]})) == ["/sources/0/page"]
    assert list(faults(example | {"sources": SOURCES * 101})) == ["/sources"]


def test_inference_needs_a_note(subtests: pytest.Subtests) -> None:
    """What is inferred says from what; what is stated, implied or claimed need not."""
    for type_ in FACTS:
        with subtests.test(type_):
            example = MINIMAL[type_]
            assert list(faults(example | {"modality": "inferred"})) == ["/note"]
            assert fact_of(example | {"modality": "inferred", "note": "From the date of the photograph"}).note
            assert fact_of(example).modality == "stated"
            for modality in ("implied", "author_claim"):
                assert fact_of(example | {"modality": modality}).modality == modality
            assert list(faults(example | {"modality": "rumoured"})) == ["/modality"]


def test_code_lists() -> None:
    """The code lists are the vocabulary's, each with its codes, written as they are written there."""
    lists = {value for value in vars(codes).values() if isinstance(value, type) and issubclass(value, StrEnum)}
    assert {one: [code.value for code in one] for one in lists - {StrEnum}} == {
        one: words.split() for one, words in CODES.items()
    }


def test_statuses() -> None:
    """A kind of stream has the vocabulary's statuses."""
    assert {kind: set(KINDS[kind].statuses) for kind in STATUSES} == STATUSES


CODED = [
    ("source.registered", "kind"), ("party.registered", "kind"), ("party.succeeded", "mode"),
    ("initiative.reported", "kind"), ("initiative.party_joined", "role"), ("initiative.related", "relation"),
    ("initiative.commitment_made", "strength"), ("agreement.mentioned", "instrument_type"),
    ("agreement.mentioned", "binding"), ("agreement.mentioned", "ambit"), ("agreement.mentioned", "publicity"),
    ("agreement.consented", "method"), ("agreement.terminated", "ground"), ("agreement.related", "relation"),
    ("meeting.held", "kind"), ("meeting.held", "mode"), ("meeting.topic_discussed", "topic"),
    ("meeting.outcome_recorded", "kind"), ("milestone.reported", "type"), ("entry.voided", "reason_code"),
    ("entry.superseded", "reason_code"), ("entry.dispute_resolved", "outcome"), ("entry.value_erased", "ground"),
]  # fmt: skip


def test_unknown_codes(subtests: pytest.Subtests) -> None:
    """A code that is not on the list is refused with a pointer to it, whatever its case."""
    for type_, field in CODED:
        with subtests.test(type_, field=field):
            example = MINIMAL[type_]
            assert faults(example | {"data": example["data"] | {field: "no_such_code"}}) == {f"/data/{field}": "enum"}
            known = FULL[type_]["data"][field]
            assert faults(example | {"data": example["data"] | {field: known.upper()}}) == {f"/data/{field}": "enum"}
            assert fact_of(example | {"data": example["data"] | {field: known}})


def test_invitees() -> None:
    """Roles and answers of invitees are those of RFC 5545, in its capital letters."""
    roles = ("CHAIR", "REQ-PARTICIPANT", "OPT-PARTICIPANT", "NON-PARTICIPANT")
    answers = ("NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED")
    invitees = [{"party": "party:usa", "role": role} for role in roles]
    invitees += [{"party": "party:usa", "partstat": answer} for answer in answers]
    fact = fact_of(event("meeting.proposed", "meeting:talks", title="Talks", invitees=invitees))
    assert own(fact)["invitees"] == invitees


@pytest.mark.parametrize("reason", ["amended", "terminated", "changed"])
def test_the_world_is_no_reason(reason: str) -> None:
    """What changed in the world is a fact, and no reason to correct the record."""
    example = MINIMAL["entry.voided"]
    assert faults(example | {"data": example["data"] | {"reason_code": reason}}) == {"/data/reason_code": "enum"}


@pytest.mark.parametrize("code", ["XX", "in", "IND", "U", "", "I1", "ZZ", "UK", "UN"])
def test_country_codes(code: str) -> None:
    """A country is a code of ISO 3166-1 alpha-2 in capitals, and one that is or was assigned; or the one reserved for the
    European Union.
    """
    example = MINIMAL["party.registered"]
    assert fact_of(example | {"data": example["data"] | {"country": "EU", "kind": "supranational"}})
    assert list(faults(example | {"data": example["data"] | {"country": code}})) == ["/data/country"]
    assert fact_of(example | {"data": example["data"] | {"country": "GB"}})


@pytest.mark.parametrize("code", ["XYZ", "usd", "US", "USDX", "", "$"])
def test_currency_codes(code: str) -> None:
    """A currency is a code of ISO 4217 in capitals, and one that is or was assigned."""
    example = MINIMAL["initiative.commitment_made"]
    assert list(faults(example | {"data": example["data"] | {"currency": code}})) == ["/data/currency"]
    assert fact_of(example | {"data": example["data"] | {"currency": "INR"}})


def test_areas_that_are_not_of_defence_alone() -> None:
    """Each says from which standard it is taken; those before it are of the dataset that the list names."""
    areas = list(codes.Area)
    general = areas[areas.index(codes.Area.trade) : areas.index(codes.Area.other)]
    assert [*AREA_STANDARDS] == general


def test_an_area_that_no_code_names_keeps_its_label() -> None:
    """The label stands beside the codes, of which ``other`` is one."""
    told = {"data": MINIMAL["initiative.reported"]["data"] | {"areas": ["trade", "other"], "other_areas": ["Falconry"]}}
    assert given(MINIMAL["initiative.reported"] | told).shown()["other_areas"] == ["Falconry"]
    topic = MINIMAL["meeting.topic_discussed"] | {"data": {"topic": "other", "label": "Falconry"}}
    assert given(MINIMAL["meeting.held"], topic).shown()["topics"][0]["label"] == "Falconry"


def test_a_part_of_a_commitment() -> None:
    """What was kept of it is listed with how much, each part once; the commitment itself is still to be kept."""
    made = MINIMAL["initiative.commitment_made"] | {"occurred": "2020"}
    part = MINIMAL["initiative.commitment_partly_fulfilled"]
    stream = given(MINIMAL["initiative.reported"] | {"occurred": "2019"}, made)
    for day, source, amount in (("2021", "thx", "4"), ("2021-03", "doc", "4"), ("2022", "thx", "3")):
        data = {"commitment": "steel", "amount": amount, "currency": "INR"}
        stream.append(part | {"occurred": day, "sources": [{"source": f"source:{source}"}], "data": data})
    state = stream.shown()
    assert [(one["amount"], one["occurred"]) for one in state["fulfilments"]] == [("4", "2021-03"), ("3", "2022")]
    assert state["commitments"][0]["status"] == "made"
    assert sorted(state["provenance"]["fulfilments"]) == [103, 104, 105]
    assert faults(part | {"data": {"commitment": "steel"}})


def test_codes_of_the_past(subtests: pytest.Subtests) -> None:
    """A state or a currency that is no more is recorded as what it was."""
    party, promise = MINIMAL["party.registered"], MINIMAL["initiative.commitment_made"]
    for code in ("SU", "YU", "DD", "CS", "AN", "ZR", "BU", "TP", "RH", "HV", "YD", *FORMER_COUNTRIES):
        with subtests.test(code):
            assert own(fact_of(party | {"data": party["data"] | {"country": code}}))["country"] == code
    for code in ("DEM", "FRF", "ITL", "SUR", "YUM", "CSK", "DDM", "XEU", "ZWD", "HRK", "BGN", "ANG", "VEB"):
        with subtests.test(code):
            told = promise | {"data": promise["data"] | {"amount": "5", "currency": code}}
            assert own(fact_of(told))["currency"] == code


@pytest.mark.parametrize("amount", ["1e6", "1,000", "1.", ".5", "--1", "NaN", "Infinity", "+1", "1 000", "", 5, 1.5])
def test_amounts(amount: Any) -> None:
    """An amount is a decimal number in a string, so that no digit of it is lost."""
    example = MINIMAL["initiative.commitment_made"]
    assert list(faults(example | {"data": example["data"] | {"amount": amount}})) == ["/data/amount"]
    fine = example | {"data": example["data"] | {"amount": "12345678901234567890.0000000001", "currency": "USD"}}
    assert own(fact_of(fine))["amount"] == "12345678901234567890.0000000001"


@pytest.mark.parametrize("share", [-0.1, 1.1, "0.5%", float("nan"), float("inf")])
def test_shares(share: Any) -> None:
    """A share lies between 0 and 1."""
    assert list(faults(event("milestone.partially_met", "milestone:roof", share=share))) == ["/data/share"]
    for edge in (0, 1):
        assert fact_of(event("milestone.partially_met", "milestone:roof", share=edge))


@given_any(
    st.sampled_from([chr(n) for n in [*range(9), 11, 12, *range(14, 32), 127]]),
    st.text(max_size=3),
    st.text(max_size=3),
)
@settings(deadline=None, max_examples=40)
def test_control_characters(character: str, before: str, behind: str) -> None:
    """No text, name, locator, note or person has a control character in it, NUL least of all."""
    text = f"a{before}{character}{behind}b"
    mentioned = MINIMAL["agreement.mentioned"]
    assert "/data/title" in faults(mentioned | {"data": {"title": text}})
    assert "/data/subject_matter" in faults(mentioned | {"data": {"title": "A pact", "subject_matter": text}})
    assert "/note" in faults(mentioned | {"note": text})
    assert "/sources/0/locator" in faults(mentioned | {"sources": [{"source": "source:thx", "locator": text}]})
    assert "/correlationid" in faults(mentioned | {"correlationid": text})
    signed = [{"party": "party:usa", "person": text}]
    assert "/data/signatories/0/person" in faults(event("agreement.signed", "agreement:pact", signatories=signed))


def test_letters_of_all_people() -> None:
    """Text keeps what people write: every script, line breaks, tabs."""
    text = "\u0938\u092e\u091d\u094c\u0924\u093e\n\t\u0627\u0644\u0633\u0644\u0627\u0645 — 協定 \U0001d538 🤝"
    fact = fact_of(event("agreement.mentioned", "agreement:pact", title="協定", description=text))
    assert own(fact)["description"] == text


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x85", "\ufffe"])
def test_attributes_of_the_envelope_are_one_line(character: str) -> None:
    """What becomes an attribute of the event has no line break: CloudEvents lets no control character into a string."""
    example = MINIMAL["agreement.mentioned"]
    for name in ("correlationid", "causationid"):
        assert getattr(read_draft(example | {name: "a b"}), name) == "a b"
        assert list(faults(example | {name: f"a{character}b"})) == [f"/{name}"]


@pytest.mark.parametrize(
    "subject",
    [
        "initiative:", "initiative", ":x", "Initiative:x", "initiative:X", "initiative:-x", "initiative:x_y",
        "initiative:x y", "initiative:x\n", "initiative: x", "treaty:x", "entry:x", "initiative:é", "initiative:x:y",
        "initiative:" + "x" * 101, "", None, 7,
    ],
)  # fmt: skip
def test_subjects(subject: Any) -> None:
    """A subject is a kind and a slug; anything else is refused before it can make a stream."""
    assert list(faults(MINIMAL["initiative.reported"] | {"subject": subject})) == ["/subject"]
    related = event("initiative.related", "initiative:bridge", other=subject, relation="parent")
    assert list(faults(related)) == ["/data/other"]


@pytest.mark.parametrize("subject", ["initiative:x", "initiative:0", "initiative:" + "x" * 100, "initiative:a--b-"])
def test_good_subjects(subject: str) -> None:
    """A slug is up to a hundred small letters, digits and hyphens."""
    assert read_draft(MINIMAL["initiative.reported"] | {"subject": subject}).subject == subject


def test_references_are_of_their_kind() -> None:
    """Where a party is meant, an agreement is no answer."""
    joined = event("initiative.party_joined", "initiative:bridge", party="agreement:pact", role="lead")
    assert list(faults(joined)) == ["/data/party"]
    upgraded = event("agreement.upgraded", "agreement:pact", by="party:usa")
    assert list(faults(upgraded)) == ["/data/by"]


@pytest.mark.parametrize("target", [0, -1, 1.5, "7", "x", True, 2**63, "00000000-0000-7000-8000-00000000000A", None])
def test_targets(target: Any) -> None:
    """A correction names its target by position or by id, and in no other way."""
    annotated = event("entry.annotated", "initiative:bridge", text="See")
    assert set(faults(annotated | {"data": {"text": "See", "target": target}})) == {"/data/target"}


def test_unknown_types() -> None:
    """A type that is not in the vocabulary is refused by pointer, whether it is mistyped or made up."""
    for type_ in ("agreement.singed", "agreement", "signed", "", "entry.deleted", "AGREEMENT.SIGNED"):
        assert faults(event(type_, "agreement:pact")) == {"/type": "unknown_type"}


def test_every_fault_at_once() -> None:
    """All that is wrong with a fact is said in one answer, each with its pointer."""
    wrong = event("initiative.commitment_made", "initiative:bridge", strength="x", currency="XXQ", colour=1)
    assert set(faults(wrong)) == {"/data/commitment", "/data/strength", "/data/currency", "/data/colour"}


def test_faults_in_lists() -> None:
    """A fault in a list is pointed to by its number, in a request of many events by theirs."""
    parties = [{"party": "party:usa", "role": "lead"}, {"party": "party:ind", "role": "boss"}]
    wrong = event("initiative.reported", "initiative:bridge", name="A bridge", kind="other", parties=parties)
    with pytest.raises(Invalid) as error:
        read_body({"events": [MINIMAL["initiative.reported"], wrong]})
    assert [fault.pointer for fault in error.value.faults] == ["/events/1/data/parties/1/role"]


@pytest.mark.parametrize("name", ["Person", "Sealed", "x]", "x)", "PartialDate", "a/b", "a~b"])
def test_pointers_of_odd_names(name: str) -> None:
    """A pointer leads to the field even where its name is odd (RFC 6901)."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    odd = MINIMAL["agreement.expired"] | {"data": {name: 1}}
    assert faults(odd) == {f"/data/{escaped}": "extra_forbidden"}


@pytest.mark.parametrize(
    "body", [[], {"events": []}, {"events": {}}, {"events": [{}] * 1_001}, {"events": [{}], "id": "x"}, None, 7, "x"]
)
def test_bodies(body: Any) -> None:
    """A request is one event, or a list of 1 to 1,000 that stands alone; all else is refused and never a crash."""
    with pytest.raises(Invalid):
        read_body(body)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b'"\\ud800"', b"[" * 10_000])
def test_what_is_no_json(text: bytes) -> None:
    """What is no JSON is refused by name."""
    with pytest.raises(Invalid) as error:
        parse_json(text)
    assert error.value.faults[0].code == "json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given_any(st.sampled_from(sorted(FACTS)), st.data())
@settings(deadline=None, max_examples=150)
def test_any_value_in_any_field(type_: str, data: st.DataObject) -> None:
    """Whatever stands in a field, the event is read, or refused with a pointer to that field or into it."""
    example = FULL[type_]
    name = data.draw(st.sampled_from(sorted(example["data"]) or ["colour"]))
    value = data.draw(JSON)
    pointers: list[str] | None = None
    try:
        read_draft(example | {"data": example["data"] | {name: value}})
    except Invalid as error:
        pointers = [fault.pointer for fault in error.faults]
    assert pointers != []
    assert all(pointer == "/data" or pointer.startswith(f"/data/{name}") for pointer in pointers or ())


@pytest.mark.parametrize("field", ["author", "replacement"])
def test_commitments_are_made_by_the_ledger(field: str) -> None:
    """Nobody hands in a commitment of their own, nor a name beside it, not even in a replacement."""
    forged = {"commitment": COMMITMENT, "name": PERSON}
    if field == "author":
        event_ = event("source.registered", "source:sheet", title="A sheet", kind="speech", author=forged)
    else:
        replacement = {"type": "source.registered", "data": {"title": "A sheet", "kind": "speech", "author": forged}}
        correction = MINIMAL["entry.superseded"]["data"] | {"replacement": replacement}
        event_ = event("entry.superseded", "source:sheet", **correction)
    assert all(pointer.startswith(f"/data/{field}") for pointer in faults(event_))


def test_replacements_are_facts() -> None:
    """What takes an entry's place is held to every rule of its type."""
    example = MINIMAL["entry.superseded"]["data"]

    def pointers(**changes: Any) -> set[str]:
        changed = example | {"replacement": example["replacement"] | changes}
        return set(faults(event("entry.superseded", "initiative:bridge", **changed)))

    assert pointers(type="entry.voided") == {"/data/replacement/type"}
    assert pointers(type="initiative.no_such") == {"/data/replacement/type"}
    assert pointers(data={"name": "A bridge"}) == {"/data/replacement/data/kind"}
    assert pointers(data={"name": "A bridge", "kind": "x"}) == {"/data/replacement/data/kind"}
    assert pointers(sources=[]) == {"/data/replacement/sources"}
    assert pointers(modality="inferred") == {"/data/replacement/note"}
    assert pointers(dataschema="x") == {"/data/replacement/dataschema"}
    assert pointers(data=example["replacement"]["data"] | {"occurred": "2024"}) == {"/data/replacement/data/occurred"}
    assert pointers(id="x") == {"/data/replacement/id"}
    assert pointers(subject="initiative:bridge") == {"/data/replacement/subject"}
    assert pointers(occurred="2024-06-31") == {"/data/replacement/occurred"}


def test_schema_of(subtests: pytest.Subtests) -> None:
    """Every type has a JSON Schema, which takes the fullest event's fields and refuses one it does not know."""
    for type_ in FACTS:
        with subtests.test(type_):
            schema = FACTS[type_].model_json_schema()
            assert json.loads(json.dumps(schema)) == schema
            validator = jsonschema_rs.validator_for(schema)
            common = {name: value for name, value in FULL[type_].items() if name in COMMON}
            validator.validate(common | FULL[type_]["data"])
            assert not validator.is_valid(common | FULL[type_]["data"] | {"colour": "red"})
            assert schema["additionalProperties"] is False
            assert schema.get("description"), "the schema says what the fact means"


def test_dates_in_the_schema() -> None:
    """A date that may be partial is a string of the format edtf."""
    schema = FACTS["milestone.scheduled"].model_json_schema()
    assert schema["properties"]["due"] == {"format": "edtf", "maxLength": 120, "title": "Due", "type": "string"}


def test_kinds_know_their_facts(subtests: pytest.Subtests) -> None:
    """Each fact of a kind has its place in the order of the kind, and what its lifecycle leads to is a status of it."""
    for name, kind in KINDS.items():
        with subtests.test(name):
            assert {fact.type for fact in kind.facts} == set(world_types(name))
            assert len(set(kind.facts)) == len(kind.facts)
            assert kind.ended < set(kind.statuses)
            for step in kind.lifecycle.values():
                assert {step.to, *step.after} <= set(kind.statuses)


def test_facts_do_not_change() -> None:
    """A fact is frozen from the moment it is read, and so is every part of it."""
    fact = fact_of(FULL["agreement.signed"])
    for part in (fact, fact.sources[0]):
        assert isinstance(part, BaseModel)
        with pytest.raises(ValueError):
            setattr(part, next(iter(type(part).model_fields)), None)
