"""Acts as sources tell them: told twice, told differently, undone and done again, told after the end; strictly, and tried."""

from itertools import permutations
from typing import Any

import pytest

from ledger.fold import History
from ledger.recorded import Recorded
from ledger.vocabulary.kinds.agreement import Consented
from tests.examples import event
from tests.minimal import MINIMAL, TODAY, Stream, entry_id, fact_of, given
from tests.service import ADMIN, Service, problem_of

pytest_plugins = ["tests.service"]

OTHER = {"sources": [{"source": "source:doc"}]}
THIRD = {"sources": [{"source": "source:third"}]}
PACT = "agreement:pact"


def act(type_: str, occurred: str | None = None, **data: Any) -> dict[str, Any]:
    """A fact with what its type needs at least, and ``data``."""
    told = MINIMAL[type_] | {"data": MINIMAL[type_]["data"] | data}
    return {name: value for name, value in told.items() if name != "occurred"} | (
        {"occurred": occurred} if occurred else {}
    )


def codes(stream: Stream, told: dict[str, Any]) -> list[str]:
    return [one.code.value for one in stream.append(told) if one.code.value != "dangling_reference"]


# --- one act, several sources

ONCE = [
    "source.retracted", "party.dissolved", "initiative.launched", "initiative.closed", "initiative.cancelled",
    "initiative.suspended", "agreement.negotiation_opened", "agreement.adopted", "agreement.entered_into_force",
    "agreement.terminated", "agreement.expired", "agreement.superseded", "agreement.negotiation_abandoned",
    "meeting.held", "meeting.cancelled", "milestone.met", "milestone.not_met", "milestone.withdrawn", "party.succeeded",
]  # fmt: skip
OPENING = {
    "source": "source.registered", "party": "party.registered", "initiative": "initiative.reported",
    "agreement": "agreement.mentioned", "meeting": "meeting.proposed", "milestone": "milestone.reported",
}  # fmt: skip


def told_once(type_: str, day: str = "2012-05-02") -> Stream:
    opening = MINIMAL[OPENING[type_.partition(".")[0]]] | {"occurred": "2005"}
    return given(opening, act(type_, day))


@pytest.mark.parametrize("type_", ONCE)
def test_another_source_for_the_same_act(type_: str) -> None:
    """Where the days leave room, it corroborates: nothing is odd, both are named, and the nearer day is shown."""
    name = type_.partition(".")[2]
    for day in ("2012-05-02", "2012-05", "2012", "../2012-05-02", "2012-05-01/2012-05-03", None):
        stream = told_once(type_)
        before = stream.status()
        assert codes(stream, act(type_, day) | OTHER) == []
        state = stream.shown()
        assert state["status"] == before
        assert state["dates"][name] == "2012-05-02"
        assert "source:doc" in state["sources"]
        assert sorted(state["provenance"]["status"]) == [102, 103]
        assert state["alternatives"] == {}


@pytest.mark.parametrize("type_", ONCE)
def test_another_source_with_another_day(type_: str) -> None:
    """Both days stand, flagged; the one that was recorded last is current, also where it is the earlier one."""
    name = type_.partition(".")[2]
    for day in ("2010-01-01", "2014-01-01"):
        stream = told_once(type_)
        assert "source_conflict" in codes(stream, act(type_, day) | OTHER)
        state = stream.shown()
        several = f"dates/{name}/{act(type_)['data']['by']}" if "by" in act(type_)["data"] else f"dates/{name}"
        assert {one["value"] for one in state["alternatives"][several]} == {"2012-05-02", day}
        if several == f"dates/{name}":
            assert state["dates"][name] == day


@pytest.mark.parametrize("type_", ONCE)
def test_the_same_source_again(type_: str) -> None:
    """It says the same twice, or it tells of another act; neither changes what is shown."""
    name = type_.partition(".")[2]
    for day, code in (
        ("2012-05-02", "duplicate_suspect"),
        ("2012", "duplicate_suspect"),
        ("2014-01-01", "repeated_act"),
    ):
        stream = told_once(type_)
        assert codes(stream, act(type_, day)) == [code]
        assert stream.shown()["dates"][name] == "2012-05-02"
        assert stream.shown()["alternatives"] == {}


def test_sources_that_differ_in_a_field_of_an_act() -> None:
    """They tell of one act: what they give differently stands side by side, and what one leaves open the other fills."""
    stream = given(act("agreement.mentioned", "2005"), act("agreement.suspended", "2012-05-02"))
    assert stream.shown()["ground"] is None
    assert codes(stream, act("agreement.suspended", "2012-05", ground="breach") | OTHER) == []
    assert stream.shown()["ground"] == "breach"
    assert codes(stream, act("agreement.suspended", "2012-05-02", ground="consent") | THIRD) == ["source_conflict"]
    assert {one["value"] for one in stream.shown()["alternatives"]["ground"]} == {"breach", "consent"}
    assert stream.shown()["ground"] == "consent"


def test_an_item_of_a_list_is_told_once() -> None:
    """Amendments, topics and claims that several sources tell are one item, which all of them set."""
    for opening, told, field in (
        ("agreement.mentioned", act("agreement.amended", "2012-05", text="Article 3"), "amendments"),
        ("meeting.held", act("meeting.topic_discussed"), "topics"),
        ("initiative.reported", act("initiative.claim_recorded", "2012", text="Nearly done"), "claims"),
    ):
        stream = given(act(opening, "2005"), told)
        assert codes(stream, told | OTHER) == []
        state = stream.shown()
        assert len(state[field]) == 1
        assert state["provenance"][field] == [102, 103]


def test_amendments_of_other_days_are_others() -> None:
    """The same words about another day are another amendment."""
    stream = given(
        act("agreement.mentioned", "2005"), act("agreement.amended", "2012"), act("agreement.amended", "2014")
    )
    assert [one["occurred"] for one in stream.shown()["amendments"]] == ["2012", "2014"]


def test_several_successors() -> None:
    """A state that splits has several successors, an agreement several that take its place: each is one act."""
    stream = given(act("party.registered", "1950"), act("party.succeeded", "1993-01-01", by="party:usa", mode="split"))
    assert codes(stream, act("party.succeeded", "1993-01-01", by="party:ind", mode="split")) == []
    assert codes(stream, act("party.succeeded", "1994-05-01", by="party:acme", mode="split")) == []
    assert codes(stream, act("party.succeeded", "1994", by="party:acme", mode="split") | OTHER) == []
    state = stream.shown()
    assert [one["by"] for one in state["succeeded_by"]] == ["party:ind", "party:usa", "party:acme"]
    assert (state["status"], state["dates"]["succeeded"]) == ("succeeded", "1993-01-01")
    replaced = given(act("agreement.signed", "1990"), act("agreement.superseded", "1995", by="agreement:other"))
    assert codes(replaced, act("agreement.superseded", "1995", by="agreement:framework")) == []
    assert len(replaced.shown()["superseded_by"]) == 2


def test_what_is_replaced_again_has_the_day_of_that() -> None:
    """A party that was restored, or an agreement that was revived, and is succeeded again is so from the later day on."""
    union = [act("party.registered", "1950"), act("party.succeeded", "1958-02-22"), act("party.restored", "1961-09-28")]
    pact = [act("agreement.signed", "1990"), act("agreement.superseded", "1995"), act("agreement.revived", "1997")]
    for cycle, again, other in [
        (union, act("party.succeeded", "1971-09-01"), act("party.succeeded", "1972-01-01", by="party:ind")),
        (pact, act("agreement.superseded", "1999"), act("agreement.superseded", "2001", by="agreement:framework")),
    ]:
        for told in permutations([*cycle[1:], again, other]):
            name = again["type"].partition(".")[2]
            assert given(cycle[0], *told).shown()["dates"][name] == again["occurred"]


# --- what belongs together


def test_a_consent_keeps_its_day_method_and_depositary() -> None:
    """The last consent in valid order is current, as one item; another source fills what it leaves open."""
    stream = given(
        act("agreement.mentioned", "1960"),
        act("agreement.consented", "1999-03-01", method="succession", deposited_with="A depositary"),
        act("agreement.consented", "1970-05-02", method="accession"),
    )
    lane = stream.shown(lane="party:ind")
    assert [(one["method"], one["occurred"]) for one in lane["consents"]] == [
        ("accession", "1970-05-02"), ("succession", "1999-03-01"),
    ]  # fmt: skip
    assert lane["dates"]["consented"] == "1999-03-01"
    assert codes(stream, act("agreement.consented", "1970", method="accession", deposited_with="Another") | OTHER) == []
    lane = stream.shown(lane="party:ind")
    assert lane["consents"][0]["deposited_with"] == "Another"
    assert lane["consents"][0]["occurred"] == "1970-05-02"
    assert lane["dates"]["consented"] == "1999-03-01"


def test_a_notice_of_provisional_application_is_no_consent() -> None:
    """The party applies the agreement provisionally, and is not bound."""
    stream = given(act("agreement.mentioned", "1960"))
    stream.append(act("agreement.consented", "1970-05-02", method="provisional_application_notice"))
    lane = stream.shown(lane="party:ind")
    assert (lane["status"], lane["provisionally_applied"]) == ("named", True)
    assert "consents" not in lane


def test_what_was_withdrawn() -> None:
    """A consent or a signature that was withdrawn leaves the party where it stood before."""
    signed = act("agreement.signed", "1970", signatories=[{"party": "party:ind"}])
    stream = given(signed, act("agreement.consented", "1971"), act("agreement.consent_withdrawn", "1972"))
    days = ("1971-12-31", "1972-12-31", "1974-12-31", "1976-12-31")
    stream.append(act("agreement.signature_withdrawn", "1974", party="party:ind"))
    stream.append(act("agreement.consented", "1976", method="accession"))
    assert [stream.status(day, "party:ind") for day in days] == ["bound", "signatory", "named", "bound"]
    assert stream.shown(lane="party:ind")["consents"][0]["withdrawn"] == "1972"


def test_an_agreement_signed_by_whom_is_not_said() -> None:
    """A source that names no signatory tells of the signature all the same."""
    stream = given(act("agreement.signed", "1970", signatories=[]))
    assert stream.status("1971-01-01") == "signed"
    assert codes(stream, act("agreement.signed", "1970-05", signatories=[]) | OTHER) == []
    assert codes(stream, act("agreement.signed", "1980-01-01", signatories=[]) | THIRD) == ["source_conflict"]
    assert len(stream.shown()["alternatives"]["dates/signed"]) == 3


def test_what_follows_from_its_parties_acts() -> None:
    """Where nothing states an agreement's parties, they are those who signed or consented and have not withdrawn, in the order in
    which they came; the first consent is dated, and marked is what follows. It is told for how many it is in force as long as
    nothing says so of the whole, which stays a fact of its own. Whatever the order.
    """
    told = [
        act("agreement.signed", "1998-01-01", signatories=[USA]),
        act("agreement.consented", "1999-05-02", party="party:ind") | OTHER,
        act("agreement.consented", "2000-05-02", party="party:acme"),
        act("agreement.entered_into_force", "2001-01-01", party="party:ind"),
        act("agreement.party_withdrew", "2003-01-01", party="party:ind"),
    ]
    for order in permutations(told):
        stream = given(act("agreement.mentioned", "1990"), *order)
        assert (stream.shown("1995-01-01")["parties"], stream.shown("1995-01-01")["unknown"]["parties"]) == (
            None, "not_stated",
        )  # fmt: skip
        state = stream.shown("2002-01-01")
        assert state["parties"] == ["party:usa", "party:ind", "party:acme"]
        assert state["dates"]["consented"] == "1999-05-02"
        assert (state["status"], state["in_force_for"]) == ("signed", 1)
        assert state["derived"] == ["parties", "dates/consented", "in_force_for"]
        assert "parties" not in state["unknown"]
        assert state["sources"] == ["source:thx"], "what sources say of a party is told there"
        assert {stream.history.recorded[one].fact.type for one in state["provenance"]["in_force_for"]} == {
            "agreement.entered_into_force"
        }
        after = stream.shown("2004-01-01")
        assert (after["parties"], after["dates"]["consented"]) == (["party:usa", "party:acme"], "2000-05-02")
        assert "in_force_for" not in after
    stream.append(act("agreement.entered_into_force", "2001-06-01"))
    assert "in_force_for" not in stream.shown("2002-01-01")
    assert stream.shown("2001-05-01")["in_force_for"] == 1
    stream.append(act("agreement.described", "1991", parties=["party:usa"]))
    state = stream.shown("2002-01-01")
    assert (state["parties"], state["derived"]) == (["party:usa"], ["dates/consented"])


def test_several_first_consents_are_all_named() -> None:
    """Where parties consented on one day, the entries that tell of each are named, whichever was recorded first."""
    told = [act("agreement.consented", "1999-05-02", party=party) for party in ("party:ind", "party:usa")]
    for order in permutations([*told, act("agreement.consented", "2000-05-02", party="party:acme")]):
        stream = given(act("agreement.mentioned", "1990"), *order)
        facts = [stream.history.recorded[one].fact for one in stream.shown()["provenance"]["dates/consented"]]
        assert {(one.party, one.occurred) for one in facts if isinstance(one, Consented)} == {
            ("party:ind", "1999-05-02"), ("party:usa", "1999-05-02"),
        }  # fmt: skip


def test_a_consents_day_in_dispute_is_so_for_the_agreement() -> None:
    """The day that follows from a consent of which sources tell two has both beside it."""
    told = [act("agreement.consented", day) for day in ("1999-05-02", "1999-06-02")]
    for first, second in permutations([told[0], told[1] | OTHER]):
        state = given(act("agreement.mentioned", "1990"), first, second).shown()
        assert state["dates"]["consented"] == second["occurred"]
        assert {one["value"] for one in state["alternatives"]["dates/consented"]} == {"1999-05-02", "1999-06-02"}


USA, IND = {"party": "party:usa"}, {"party": "party:ind"}


def test_attendance_is_added_to_whoever_is_named() -> None:
    """Whoever was there is in the list once, also where a description has set it anew between two records."""
    held = act("meeting.held", "2020-01-02", participants=[USA])
    for first, last, there in (([USA, IND], [IND], [USA, IND]), ([IND, USA], [IND], [USA, IND]), ([IND], [USA], [USA])):
        undated = act("meeting.attendance_recorded", participants=first)
        dated = act("meeting.attendance_recorded", "2020-01-03", participants=last)
        for order in permutations([held, undated, dated]):
            stream = given(act("meeting.proposed", "2019"), *order)
            assert stream.shown()["participants"] == there


def test_a_party_in_several_roles() -> None:
    """It may be told of in several on one day, and leaves in all of them; once it joins again they are over."""
    lead, funder = (act("initiative.party_joined", "2021", role=role) for role in ("lead", "funder"))
    for first, second in ((lead, funder), (funder, lead)):
        stream = given(act("initiative.reported", "2020"), first, second | OTHER)
        assert {one["role"] for one in stream.shown()["parties"]} == {"lead", "funder"}
        assert stream.codes() == []
        stream.append(act("initiative.party_left", "2022"))
        assert [one["left"] for one in stream.shown()["parties"]] == ["2022", "2022"]
        stream.append(act("initiative.described", "2023", parties=[{"party": "party:usa", "role": "observer"}]))
        assert [one["left"] for one in stream.shown()["parties"]] == ["2022"] * 3, "a description brings nobody back"
        stream.append(act("initiative.party_joined", "2024", role="host"))
        assert stream.shown()["parties"] == [{"party": "party:usa", "role": "host"}]
    both = [{"party": "party:usa", "role": role} for role in ("lead", "funder")]
    assert given(act("initiative.reported", "2020", parties=both)).shown()["parties"] == both


def test_one_role_told_differently() -> None:
    """In whose name a party joined is in dispute where sources of one day say otherwise."""
    joined = [act("initiative.party_joined", "2021", on_behalf_of=one) for one in ("party:acme", "party:ind")]
    stream = given(act("initiative.reported", "2020"), joined[0])
    assert codes(stream, joined[1] | OTHER) == ["source_conflict"]
    assert len(stream.shown()["alternatives"]["parties/party:usa/lead"]) == 2
    assert stream.shown()["parties"][0]["on_behalf_of"] == "party:ind"


def test_revisions_of_a_commitment_conflict_where_they_give_the_same_field() -> None:
    """Two revisions of one day are held against each other, not against what was said before."""
    made = act("initiative.commitment_made", "2009", amount="8")
    text = act("initiative.commitment_revised", "2011", text="So") | OTHER
    amount = act("initiative.commitment_revised", "2011", amount="7") | THIRD
    for order in permutations([made, text, amount]):
        stream = given(act("initiative.reported", "2005"), *order)
        state = stream.shown()
        assert state["alternatives"] == {}
        assert "source_conflict" not in stream.codes()
        assert (state["commitments"][0]["amount"], state["commitments"][0]["text"]) == ("7", "So")
    assert codes(stream, act("initiative.commitment_revised", "2011", amount="6")) == ["source_conflict"]
    assert len(stream.shown()["alternatives"]["commitments/steel"]) == 2
    stream.append(act("initiative.commitment_revised", "2012", text="Otherwise"))
    assert stream.shown()["alternatives"].keys() == {"commitments/steel"}, "the amount is still in dispute"
    stream.append(act("initiative.commitment_revised", "2013", amount="5"))
    assert stream.shown()["alternatives"] == {}


def test_a_commitment_told_again_leaves_what_was_revised() -> None:
    """Another source for the making fills what is open, disputes what it gives otherwise, and undoes no revision."""
    made = act("initiative.commitment_made", "2009-05-01", amount="8")
    stream = given(act("initiative.reported", "2005"), made)
    assert codes(stream, act("initiative.commitment_made", "2009", amount="9") | OTHER) == ["source_conflict"]
    stream = given(
        act("initiative.reported", "2005"), made, act("initiative.commitment_revised", "2009-06-01", amount="9")
    )
    assert codes(stream, act("initiative.commitment_made", "2009", amount="8", unit="kg") | OTHER) == []
    assert (stream.shown()["commitments"][0]["amount"], stream.shown()["commitments"][0]["unit"]) == ("9", "kg")


def test_when_it_happened_and_when_it_took_effect_are_two_days() -> None:
    """Each is held against its like: where only one source has each, nothing is odd, and both days are shown."""
    happened = act("agreement.terminated", "2010-12-01")
    took_effect = act("agreement.terminated") | OTHER | {"effective": "2011-06-01"}
    for first, second in ((happened, took_effect), (took_effect, happened)):
        stream = given(act("agreement.entered_into_force", "2005"), first)
        assert codes(stream, second) == []
        state = stream.shown()
        assert (state["dates"]["terminated"], state["effective"]["terminated"]) == ("2010-12-01", "2011-06-01")
        assert state["alternatives"] == {}
    assert codes(stream, act("agreement.terminated", "2010-12-01") | THIRD | {"effective": "2011-07-01"}) == [
        "source_conflict"
    ]
    state = stream.shown()
    assert (state["dates"]["terminated"], state["effective"]["terminated"]) == ("2010-12-01", "2011-07-01")
    assert [one["value"] for one in state["alternatives"]["effective/terminated"]] == ["2011-06-01", "2011-07-01"]
    assert "dates/terminated" not in state["alternatives"]


def test_no_known_day_is_lost_to_a_dispute() -> None:
    """Who was recorded last and gives no day of a sort leaves the one that is known."""
    stream = given(act("milestone.reported", "2005"), act("milestone.met", "2010-12-01"))
    stream.append(act("milestone.met", "2011-12-01") | OTHER | {"effective": "2010-12-31"})
    stream.append(act("milestone.met") | THIRD | {"effective": "2011-01-31"})
    state = stream.shown()
    assert (state["dates"]["met"], state["effective"]["met"]) == ("2011-12-01", "2011-01-31")
    assert all(len(both) == 2 for both in state["alternatives"].values())
    assert state["alternatives"].keys() == {"dates/met", "effective/met"}


def test_two_accounts_of_one_consent_that_differ() -> None:
    """Another depositary is another side of a conflict: both stand, and the one recorded last is current."""
    told = [act("agreement.consented", "2010-05-02", method="accession", deposited_with=one) for one in ("A", "B")]
    for day in ("2010-05-02", "2010"):
        stream = given(act("agreement.mentioned", "2005"), told[0])
        assert codes(stream, told[1] | OTHER | {"occurred": day}) == ["source_conflict"]
        lane = stream.shown(lane="party:ind")
        assert [one["value"]["deposited_with"] for one in lane["alternatives"]["consents/accession"]] == ["A", "B"]
        assert [(one["deposited_with"], one["occurred"]) for one in lane["consents"]] == [("B", "2010-05-02")]


def test_two_accounts_of_one_succession_that_differ() -> None:
    """One successor is one act: its mode is in dispute."""
    told = [act("party.succeeded", "1993-01-01", mode=mode) for mode in ("split", "merger")]
    stream = given(act("party.registered", "1950"), told[0])
    assert codes(stream, told[1] | OTHER) == ["source_conflict"]
    assert [one["mode"] for one in stream.shown()["succeeded_by"]] == ["merger"]
    assert len(stream.shown()["alternatives"]["succeeded_by/party:acme"]) == 2
    assert codes(stream, act("party.succeeded", "1995-01-01", mode="split")) == ["repeated_act"]
    assert len(stream.shown()["succeeded_by"]) == 1


def test_one_signature_told_by_several() -> None:
    """A party signs once: what one source leaves open another fills; two offices are in dispute."""
    plain, named, filled = (
        act("agreement.signed", "2010-05-02", signatories=[USA | more])
        for more in ({"person": "A minister"}, {"person": "A minister", "office": "Minister"}, {"mode": "definitive"})
    )
    for order in permutations([plain, named | OTHER, filled | THIRD]):
        stream = given(act("agreement.mentioned", "2005"), *order)
        [signature] = stream.shown(lane="party:usa")["signatures"]
        assert (signature["office"], signature["mode"]) == ("Minister", "definitive")
        assert "commitment" in signature["person"]
        assert stream.codes(lane="party:usa") == []
    envoy = act("agreement.signed", "2010-05", signatories=[USA | {"office": "Envoy"}]) | {"sources": []}
    assert codes(stream, envoy | {"sources": [{"source": "source:fourth"}]}) == ["source_conflict"]
    lane = stream.shown(lane="party:usa")
    assert [one["office"] for one in lane["signatures"]] == ["Envoy"]
    assert len(lane["alternatives"]["signatures/party:usa"]) == 2
    again = act("agreement.signed", "2014", signatories=[USA])
    for told in (act("agreement.signature_withdrawn", "2012"), again, again | OTHER):
        stream.append(told)
    assert len(stream.shown(lane="party:usa")["signatures"]) == 2


def test_an_account_that_is_contradicted_is_shown_apart() -> None:
    """Of a signature, a consent, a succession that sources tell of differently, the item has what the one recorded last says,
    and what others add that contradict it in nothing: so its day stands with no person, office or mode of another account.
    The others stand beside it as a whole.
    """
    first, second = (
        act("agreement.signed", day, signatories=[USA | more])
        for day, more in (("2024-08-22", {"person": "A minister", "mode": "definitive"}), ("2024-08-23", {}))
    )
    for told in permutations([first, second | OTHER]):
        stream = given(act("agreement.mentioned", "2005"), *told)
        [signature] = stream.shown(lane="party:usa")["signatures"]
        assert ("person" in signature, signature.get("mode"), signature["occurred"]) in (
            (True, "definitive", "2024-08-22"), (False, None, "2024-08-23"),
        )  # fmt: skip
        assert signature["occurred"] == told[1]["occurred"]
        both = stream.shown(lane="party:usa")["alternatives"]["signatures/party:usa"]
        assert [(one["value"]["occurred"], "person" in one["value"]) for one in both] == [
            (one["occurred"], one is first) for one in told
        ]
    agreeing = act("agreement.signed", "2024-08", signatories=[USA | {"office": "Envoy"}]) | THIRD
    for told in permutations([first, second | OTHER, agreeing]):
        [signature] = given(act("agreement.mentioned", "2005"), *told).shown(lane="party:usa")["signatures"]
        assert signature["office"] == "Envoy", "it leaves room for either day"
    for type_, lane, items, fields in (
        ("agreement.consented", "party:ind", "consents", {"deposited_with": "A depositary"}),
        ("party.succeeded", "", "succeeded_by", {"mode": "split"}),
    ):
        full = act(type_, "2010-01-01", **fields) | {"effective": "2010-03-01"}
        bare = act(type_, "2010-02-01") | OTHER
        for told in permutations([full, bare]):
            opening = OPENING[type_.partition(".")[0]]
            [item] = given(act(opening, "2005"), *told).shown(lane=lane)[items]
            assert item["occurred"] == told[1]["occurred"]
            assert all(item.get(name) == told[1]["data"].get(name) for name in fields)
            assert item.get("effective") in (None, told[1].get("effective"))


def test_the_agreement_was_signed_on_the_day_that_its_parties_show() -> None:
    """It is the first on which anybody signed, as each party's day is told now, whatever the order; so both are corrected at once."""
    joint, one_party = [USA, IND], [USA]
    told = [
        act("agreement.signed", "2024-08-22", signatories=joint),
        act("agreement.signed", "2024-08-23", signatories=joint) | OTHER,
        act("agreement.signed", "2024-08-21", signatories=one_party) | THIRD,
    ]
    for number in (2, 3):
        for order in permutations(told, number):
            stream = given(act("agreement.mentioned", "2005"), *order)
            parties = {one["party"] for entry in order for one in entry["data"]["signatories"]}
            days = [stream.shown(lane=party)["dates"]["signed"] for party in parties]
            assert stream.shown()["dates"]["signed"] == min(days)
            for party in parties:
                lane = stream.shown(lane=party)
                assert [one["occurred"] for one in lane["signatures"]] == [lane["dates"]["signed"]]
    unnamed = [act("agreement.signed", day, signatories=[]) for day in ("2010-01-01", "2011-01-01")]
    for first, second in permutations([unnamed[0], unnamed[1] | OTHER]):
        assert given(first, second).shown()["dates"]["signed"] == second["occurred"]


def test_a_first_signature_stays_the_first() -> None:
    """Who signs again, and who signs after the agreement was revived, does not make it signed later."""
    stream = given(act("agreement.signed", "2000-01-01", signatories=[USA]))
    for told in (
        act("agreement.signature_withdrawn", "2001-01-01"), act("agreement.signed", "2002-01-01", signatories=[USA]),
        act("agreement.terminated", "2003-01-01"), act("agreement.revived", "2004-01-01"),
        act("agreement.signed", "2005-01-01", signatories=[IND]),
    ):  # fmt: skip
        stream.append(told)
    assert stream.shown()["dates"]["signed"] == "2000-01-01"


def test_a_succession_is_dated_as_its_successors_are() -> None:
    """Where the day of the only succession is in dispute, the party's date is the one that its list shows."""
    told = [act("party.succeeded", day) for day in ("1991-12-25", "1991-12-26")]
    for first, second in permutations([told[0], told[1] | OTHER]):
        state = given(act("party.registered", "1950"), first, second).shown()
        assert state["dates"]["succeeded"] == state["succeeded_by"][0]["occurred"] == second["occurred"]


def test_a_conflict_stands_as_long_as_what_it_is_about_is_listed() -> None:
    """A list that still shows one of two days of an earlier signature, consent or withdrawal has both beside it; what ``dates``
    shows of a later one is in no dispute.
    """
    # given
    twice = [("2010-01-01", {}), ("2010-02-01", OTHER)]
    stream = given(act("agreement.mentioned", "2005"))
    for day, source in twice:
        stream.append(act("agreement.signed", day, signatories=[IND]) | source)
        stream.append(act("agreement.consented", day, method="accession") | source)
    for day, source in (("2011-01-01", {}), ("2011-02-01", OTHER)):
        assert ("source_conflict" in codes(stream, act("agreement.consent_withdrawn", day) | source)) is bool(source)
    # when
    stream.append(act("agreement.signature_withdrawn", "2011-06-01", party="party:ind"))
    stream.append(act("agreement.signed", "2012-01-01", signatories=[IND]))
    stream.append(act("agreement.consented", "2012-01-01", method="accession"))
    stream.append(act("agreement.consent_withdrawn", "2013-01-01"))
    # then
    lane = stream.shown(lane="party:ind")
    assert [one["occurred"] for one in lane["signatures"]] == ["2010-02-01", "2012-01-01"]
    assert [(one["occurred"], one["withdrawn"]) for one in lane["consents"]] == [
        ("2010-02-01", "2011-02-01"), ("2012-01-01", "2013-01-01"),
    ]  # fmt: skip
    days = {
        path: [one["value"]["occurred"] if "/" not in path[5:] else one["value"] for one in both]
        for path, both in lane["alternatives"].items()
        if path.startswith("dates/")
    }
    assert days == {
        "dates/consented/accession": ["2010-01-01", "2010-02-01"],
        "dates/consent_withdrawn/accession": ["2011-01-01", "2011-02-01"],
    }
    for path in ("signatures/party:ind", "consents/accession"):
        assert [one["value"]["occurred"] for one in lane["alternatives"][path]] == ["2010-01-01", "2010-02-01"]


def test_a_consent_that_is_withdrawn_after_the_end_on_two_days() -> None:
    """Both are odd, and they contradict each other, in whatever order: both days stand beside the one that is shown."""
    told = [act("agreement.consent_withdrawn", "2011-01-01"), act("agreement.consent_withdrawn", "2012-01-01") | OTHER]
    known = [act("agreement.consented", "2006"), act("agreement.terminated", "2010-01-01")]
    for order in permutations([*known, *told]):
        stream = given(act("agreement.mentioned", "2005"), *order)
        assert {"after_end", "source_conflict"} <= set(stream.codes(lane="party:ind"))
        lane = stream.shown(lane="party:ind")
        assert lane["consents"][0]["withdrawn"] == [one for one in order if one in told][-1]["occurred"]
        assert len(lane["alternatives"]["dates/consent_withdrawn/ratification"]) == 2
    plain = [*known, told[0], told[1] | {"occurred": "2011"}]
    for order in permutations(plain):
        stream = given(act("agreement.mentioned", "2005"), *order)
        assert stream.shown(lane="party:ind")["alternatives"] == {}


def test_several_signatures_of_one_party() -> None:
    """Who sign together for a party are as many as a source names; another source's are matched with them."""
    both = [USA | {"office": "Envoy"}, USA | {"office": "Minister"}]
    told = [both, both[::-1], [USA | {"office": "Minister", "mode": "definitive"}], [USA]]
    for order in permutations(told):
        stream = given(
            act("agreement.mentioned", "2005"),
            *(
                act("agreement.signed", "2010", signatories=those) | {"sources": [{"source": f"source:s{n}"}]}
                for n, those in enumerate(order)
            ),
        )
        signed = stream.shown(lane="party:usa")["signatures"]
        assert sorted((one["office"], one.get("mode")) for one in signed) == [
            ("Envoy", None),
            ("Minister", "definitive"),
        ]


def test_all_days_of_signatures_that_are_in_dispute() -> None:
    """The instrument lists those of all parties and of signatures of whom is not said, in whatever order they came."""
    told = [
        act("agreement.signed", f"2010-0{month}-0{day}", signatories=those)
        | {"sources": [{"source": f"source:s{month}"}]}
        for day, those in enumerate(([USA], [IND], []), 1)
        for month in (5, 6)
    ]
    expected = {one["occurred"] for one in told}
    for order in (told, told[::-1], told[::2] + told[1::2]):
        stream = given(act("agreement.mentioned", "2005"), *order)
        assert {one["value"] for one in stream.shown()["alternatives"]["dates/signed"]} == expected


def test_places_in_dispute_whatever_the_order() -> None:
    """A field of an act that one source confirms on a day and another gives otherwise is in dispute."""
    told = [
        act("agreement.signed", "2010-05-31", signatories=[], places=["A hall"]),
        act("agreement.signed", "2010-06-30", signatories=[], places=["A hall"]) | OTHER,
        act("agreement.signed", "2010-06-30", signatories=[USA], places=["A house"]) | THIRD,
    ]
    for order in permutations(told):
        stream = given(act("agreement.mentioned", "2005"), *order)
        assert {tuple(one["value"]) for one in stream.shown()["alternatives"]["places"]} == {("A hall",), ("A house",)}


def test_a_notice_tells_of_no_status() -> None:
    """Provenance of a status names acts that lead to it, and no notice of provisional application of that day."""
    consented = act("agreement.consented", "2010-05-02", method="accession")
    notice = act("agreement.consented", "2010-05-02", method="provisional_application_notice") | OTHER
    for number, order in enumerate(permutations([consented, notice])):
        stream = given(act("agreement.mentioned", "2005"), *order)
        assert stream.shown(lane="party:ind")["provenance"]["status"] == [102 + number]


def test_former_values_are_those_of_earlier_days() -> None:
    """All that were told for an earlier day and are not current are kept, whichever side of a conflict was current then."""
    renamed = [
        act("party.renamed", day, name=name) | {"sources": [{"source": f"source:{name.lower()}"}]}
        for name, day in (("B", "1960-01-01"), ("C", "1960-01-01"), ("D", "1970-01-01"), ("B", "1980-01-01"))
    ]
    for order in permutations(renamed):
        stream = given(act("party.registered", "1950", name="A"), *order)
        assert sorted(stream.shown("1965-01-01")["former_names"]) == ["A"]
        assert sorted(stream.shown("1975-01-01")["former_names"]) == ["A", "B", "C"]
        assert sorted(stream.shown()["former_names"]) == ["A", "C", "D"]
        assert sorted(stream.shown()["provenance"]["former_names"]) == [102, 103, 104, 105]


def test_previous_starts() -> None:
    """What a source says the start was before is kept beside what was recorded."""
    moved = [
        act("meeting.rescheduled", "2024-02-01", start="2024-06-01"),
        act("meeting.rescheduled", "2024-02-01", start="2024-06-01", previous_start="2024-04-01") | OTHER,
    ]
    for order in permutations(moved):
        stream = given(act("meeting.scheduled", "2024-01-01", start="2024-05-01"), *order)
        assert sorted(stream.shown()["previous_starts"]) == ["2024-04-01", "2024-05-01"]


def test_a_duplicate_is_suspected_whichever_came_first() -> None:
    """Of two entries that say the same of another day than their source had told, one is flagged for that too."""
    known = act("milestone.met", "2010-05-02")
    other = act("milestone.met", "2012-05-02") | OTHER
    both = other | {"sources": MINIMAL["milestone.met"]["sources"] + OTHER["sources"]}
    for order in permutations([known, other, both]):
        stream = given(act("milestone.reported", "2005"), *order)
        assert {"duplicate_suspect", "repeated_act"} <= set(stream.codes())


# --- cycles, in every order of recording

MEMBER = [
    act("agreement.entered_into_force", "1946-11-04", party="party:ind"),
    act("agreement.withdrawal_notified", "1983-12-28"),
    act("agreement.party_withdrew", "1984-12-31"),
    act("agreement.consented", "2003-10-01"),
    act("agreement.entered_into_force", "2003-10-02", party="party:ind"),
]
CLOSED = [
    act("initiative.launched", "2000-01-01"),
    act("initiative.closed", "2005-01-01", reason="Done"),
    act("initiative.reopened", "2006-01-01"),
    act("initiative.closed", "2010-01-01", reason="Done again"),
]
CALLED_OFF = [
    act("meeting.scheduled", "2018-05-10", start="2018-06-12"),
    act("meeting.cancelled", "2018-05-24"),
    act("meeting.reinstated", "2018-06-01", start="2018-06-12"),
    act("meeting.held", "2018-06-12"),
]
MET = [
    act("milestone.scheduled", "2018-01-01"),
    act("milestone.met", "2019-01-01"),
    act("milestone.reopened", "2020-01-01"),
    act("milestone.met", "2021-01-01"),
]
UNION = [
    act("party.succeeded", "1958-02-22"), act("party.restored", "1961-09-28"),
    act("party.renamed", "1961-09-28", name="Isle Republic"), act("party.dissolved", "1990-01-01"),
]  # fmt: skip
CYCLES = {
    "agreement": (
        MEMBER,
        "party:ind",
        [("1950-01-01", "in_force"), ("1990-01-01", "withdrawn"), ("2004-01-01", "in_force")],
    ),
    "initiative": (CLOSED, "", [("2005-06-01", "closed"), ("2007-01-01", "active"), ("2011-01-01", "closed")]),
    "meeting": (CALLED_OFF, "", [("2018-05-25", "cancelled"), ("2018-06-02", "scheduled"), ("2018-06-12", "held")]),
    "milestone": (MET, "", [("2019-06-01", "met"), ("2020-06-01", "scheduled"), ("2021-06-01", "met")]),
    "party": (UNION, "", [("1960-01-01", "succeeded"), ("1970-01-01", "registered"), ("1990-01-01", "dissolved")]),
}


@pytest.mark.parametrize("kind", CYCLES)
def test_cycles_in_every_order_of_recording(kind: str) -> None:
    """Who withdrew may come back, what closed may go on and close again: in whatever order it was recorded, and unflagged."""
    facts, lane, expected = CYCLES[kind]
    for order in permutations(facts):
        stream = given(MINIMAL[OPENING[kind]] | {"occurred": "1940"}, *order)
        assert [stream.status(day, lane) for day, _ in expected] == [status for _, status in expected]
        odd = {one["code"] for one in stream.shown(lane=lane)["anomalies"]} - {"dangling_reference"}
        assert odd <= ({"missing_predecessor"} if kind == "agreement" else set())


def test_a_notice_ends_with_the_membership() -> None:
    """A notice of withdrawal runs until the party withdrew or took it back; one taken back in time never runs."""
    for order in permutations(MEMBER):
        stream = given(act("agreement.mentioned", "1940"), *order)
        assert stream.shown("1984-01-01", "party:ind")["withdrawal_notified"] is True
        assert stream.shown(lane="party:ind")["withdrawal_notified"] is False
    notified = act("agreement.withdrawal_notified", "2016-11-10") | {"effective": "2017-11-10"}
    revoked = act("agreement.withdrawal_revoked", "2017-02-10")
    for facts in ((notified, revoked), (revoked, notified)):
        stream = given(act("agreement.entered_into_force", "2002-09-01", party="party:ind"), *facts)
        assert stream.shown(lane="party:ind")["withdrawal_notified"] is False
        stream.append(act("agreement.withdrawal_notified", "2020-01-01"))
        assert stream.shown(lane="party:ind")["withdrawal_notified"] is True


def test_a_notice_of_which_only_the_effect_is_known() -> None:
    """One that was revoked before it took effect never runs; a later one does, and so does one that nothing revoked in time."""
    consented = act("agreement.consented", "2010-01-01")
    revoked = act("agreement.withdrawal_revoked", "2011-06-01")

    def effective(day: str) -> dict[str, Any]:
        return act("agreement.withdrawal_notified") | {"effective": day}

    for order in permutations([consented, effective("2012-01-01"), revoked]):
        stream = given(act("agreement.mentioned", "1940"), *order)
        assert stream.shown("2013-01-01", "party:ind")["withdrawal_notified"] is False
        assert codes(stream, effective("2012-01") | OTHER) == []
        assert stream.shown("2013-01-01", "party:ind")["withdrawal_notified"] is False
        stream.append(effective("2020-01-01"))
        assert stream.shown(lane="party:ind")["withdrawal_notified"] is True, "another"
    dated = act("agreement.withdrawal_notified", "2011-01-01") | {"effective": "2012-01-01"}
    for order in permutations([consented, dated, revoked, effective("2015-01-01")]):
        stream = given(act("agreement.mentioned", "1940"), *order)
        assert stream.shown("2013-01-01", "party:ind")["withdrawal_notified"] is False
        assert stream.shown("2015-01-01", "party:ind")["withdrawal_notified"] is True
    for order in permutations([consented, act("agreement.withdrawal_notified", "2011-01-01"), revoked]):
        stream = given(act("agreement.mentioned", "1940"), *order, effective("2015-01-01"))
        assert stream.shown("2012-01-01", "party:ind")["withdrawal_notified"] is False
        assert stream.shown("2015-01-01", "party:ind")["withdrawal_notified"] is True


def test_a_conflict_ends_with_the_cycle() -> None:
    """Two days for one closing are no alternatives of a later closing's day."""
    stream = given(*CLOSED[:2], act("initiative.closed", "2005-03-01") | OTHER)
    assert set(stream.shown()["alternatives"]) == {"dates/closed", "reason"}
    for told in CLOSED[2:]:
        stream.append(told)
    assert set(stream.shown()["alternatives"]) <= {"reason"}
    assert stream.shown()["dates"]["closed"] == "2010-01-01"


def test_a_meeting_that_was_called_off_took_place() -> None:
    """Whoever tells that it was held outweighs who told that it would not be; that nobody reinstated it is flagged."""
    for order in permutations([CALLED_OFF[0], CALLED_OFF[1], CALLED_OFF[3]]):
        stream = given(act("meeting.proposed", "2017"), *order)
        assert stream.status() == "held"
        assert "missing_predecessor" in stream.codes()


def test_before_the_common_era() -> None:
    """Acts of years before the first keep their order, though all count from the calendar's first day."""
    stream = given(act("agreement.adopted", "-1258"), act("agreement.entered_into_force", "-1257-05"))
    assert stream.status() == "in_force"
    assert stream.codes() == []
    early = given(act("agreement.adopted", "-1258"))
    assert "date_order" in codes(early, act("agreement.terminated", "-1268"))


def test_the_order_of_a_partys_facts_and_the_instruments_state() -> None:
    """What becomes of a party's signatures shows on the instrument, in whatever order its facts were recorded, or loaded."""
    signed = act("agreement.signed", "1990-01-01", signatories=[{"party": "party:ind"}])
    facts = [signed, signed | {"occurred": "2000-01-01"} | OTHER, act("agreement.party_withdrew", "1995-01-01")]
    for order in permutations(facts):
        stream = given(act("agreement.mentioned", "1980"), *order)
        assert stream.shown()["alternatives"] == {}
        assert "source_conflict" not in stream.codes()


def test_commitments_are_kept_once() -> None:
    """A commitment is fulfilled or withdrawn once: another day from its source, or another end, is flagged and changes nothing."""
    stream = given(act("initiative.launched", "2020"), act("initiative.commitment_made", "2021"))
    assert codes(stream, act("initiative.commitment_fulfilled", "2022-02-01")) == []
    assert codes(stream, act("initiative.commitment_fulfilled", "2022-02") | OTHER) == []
    assert codes(stream, act("initiative.commitment_fulfilled", "2022-03-01")) == ["repeated_act"]
    assert codes(stream, act("initiative.commitment_withdrawn", "2023-03-01")) == ["after_end"]
    assert stream.shown()["commitments"][0]["status"] == "fulfilled"
    assert codes(stream, act("initiative.commitment_made", "2024-01-01")) == []
    assert codes(stream, act("initiative.commitment_withdrawn", "2024-06-01")) == []
    assert stream.shown()["commitments"][0]["status"] == "withdrawn"


def test_a_party_leaves_once() -> None:
    """Until it joins again, whoever tells that a party left tells of one leaving: with the nearest day, or with several."""
    left = act("initiative.party_left", "2012")
    stream = given(act("initiative.reported", "2005"), act("initiative.party_joined", "2006"), left)
    assert codes(stream, act("initiative.party_left", "2012-05-02") | OTHER) == []
    assert stream.shown()["parties"][0]["left"] == "2012-05-02"
    assert codes(stream, act("initiative.party_left", "2014-05-02") | THIRD) == ["source_conflict"]
    assert stream.shown()["parties"][0]["left"] == "2014-05-02"
    assert len(stream.shown()["alternatives"]["dates/party_left/party:usa"]) == 3
    assert codes(stream, act("initiative.party_left", "2015-05-02")) == ["repeated_act"]
    assert stream.shown()["parties"][0]["left"] == "2014-05-02"
    assert codes(stream, act("initiative.party_joined", "2016-05-02")) == []
    assert "left" not in stream.shown()["parties"][0]
    assert codes(stream, act("initiative.party_left", "2017-05-02")) == []
    assert stream.shown()["parties"][0]["left"] == "2017-05-02"


def test_a_consent_is_withdrawn_once() -> None:
    """Of all who tell that a consent was taken back, the nearest day is shown; another day of the same source counts nothing."""
    stream = given(act("agreement.signed", "2005"), act("agreement.consented", "2006"))
    assert codes(stream, act("agreement.consent_withdrawn", "2012-05-02")) == []
    assert codes(stream, act("agreement.consent_withdrawn", "2012") | OTHER) == []
    assert codes(stream, act("agreement.consent_withdrawn", "2014")) == ["repeated_act"]
    assert stream.shown(lane="party:ind")["consents"][0]["withdrawn"] == "2012-05-02"


@pytest.mark.parametrize("made", [None, "2012", "2012-05", "../2012-12-31", "2012-01-01"])
@pytest.mark.parametrize("end", ["fulfilled", "withdrawn"])
def test_a_commitment_that_was_kept_stays_so(made: str | None, end: str) -> None:
    """Though its making counts from a later day, as its date is coarse or not told; only one that was surely made later is another."""
    first = act("initiative.reported", "2005")
    stream = given(first, act("initiative.commitment_made", made), act(f"initiative.commitment_{end}", "2012-05-02"))
    assert [one["status"] for one in stream.shown()["commitments"]] == [end]
    if made:  # one without a date may be this very one
        assert codes(stream, act("initiative.commitment_made", "2013-01-01")) == []
        assert [one["status"] for one in stream.shown()["commitments"]] == ["made"]


def test_an_end_that_is_told_late_is_what_is_flagged() -> None:
    """Of an act and an end before it, the one that was recorded last is flagged: so both ways can be refused."""
    amended, ended = act("agreement.amended", "2020"), act("agreement.terminated", "2019")
    for first, second in ((amended, ended), (ended, amended)):
        stream = given(act("agreement.entered_into_force", "2018"), first)
        assert codes(stream, second) == ["after_end"]


def test_accounts_in_hundreds() -> None:
    """Three hundred sources may tell of one act: all are named, and nothing is odd."""
    told = [act("milestone.met", "2020-01-01") | {"sources": [{"source": f"source:s{n}"}]} for n in range(300)]
    facts = [fact_of(one) for one in (act("milestone.reported", "2010"), *told)]
    history = History.of("milestone:roof")
    history.load([Recorded(n, entry_id(n), TODAY, fact) for n, fact in enumerate(facts, 1)], {})
    assert len(history.state().provenance["dates"]) == 300
    assert {one.code.value for one in history.state().anomalies} == {"dangling_reference"}


# --- strictly, and tried


def test_what_would_be_flagged_can_be_refused(service: Service) -> None:
    """With ``Prefer: handling=strict`` nothing is recorded that would be flagged, and the flags are told."""
    # given
    told = event(
        "milestone.reported", "milestone:roof", "2020", title="The roof", sources=[{"source": "source:nobody"}]
    )
    for prefer in ("handling=strict", 'respond-async, Handling="strict"; x=1', "handling=strict, handling=lenient"):
        # when
        answer = service.client.post("/v1/events", json=told, headers=ADMIN | {"Prefer": prefer})
        # then
        problem = problem_of(answer, 409)
        assert (problem["type"], problem["rule"]) == ("/problems/flagged", "flagged")
        assert [one["code"] for one in problem["anomalies"]] == ["dangling_reference"]
    assert service.get("/v1/events").json()["events"] == []
    for prefer in (
        "handling=lenient",
        "return=minimal",
        "handling=lenient, handling=strict",
        'foo="a, handling=strict, b"',
    ):
        answer = service.client.post("/v1/events", json=told, headers=ADMIN | {"Prefer": prefer})
        assert answer.status_code == 201
        assert "Preference-Applied" not in answer.headers


def test_what_is_plain_is_recorded_strictly(service: Service) -> None:
    """What nothing is odd about is recorded; a request is refused as a whole, at the event that would be flagged."""
    source = event("source.registered", "source:thx", sources=[], title="A report", kind="other")
    roof = event("milestone.reported", "milestone:roof", "2020", title="The roof")
    strict = ADMIN | {"Prefer": "handling=strict"}
    answer = service.client.post("/v1/events", json={"events": [source, roof]}, headers=strict)
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "handling=strict")
    late = [event("milestone.met", "milestone:roof", "2021"), event("milestone.met", "milestone:roof", "2023")]
    problem = problem_of(service.client.post("/v1/events", json={"events": late}, headers=strict), 409)
    assert problem["errors"][0]["pointer"] == "/events/1"
    assert len(service.get("/v1/events").json()["events"]) == 2


def test_what_would_make_an_earlier_entry_odd_can_be_refused(service: Service) -> None:
    """Strictly nothing is recorded either that is plain itself, but puts a flag on an entry which stands already."""
    # given
    bridge, names = "initiative:bridge", ("a", "b", "c")
    told = {"commitment": "steel", "strength": "firm", "sources": [{"source": "source:a"}]}
    service.given(
        *(event("source.registered", f"source:{one}", sources=[], title=one, kind="other") for one in names),
        event("initiative.reported", bridge, "2009", name="A bridge", kind="other", sources=told["sources"]),
        *(
            event(
                "initiative.commitment_fulfilled",
                bridge,
                day,
                commitment="steel",
                sources=[{"source": f"source:{one}"}],
            )
            for one, day in (("a", "2011-03-31"), ("b", "2011-12-31"), ("c", "2010-12-31"))
        ),
    )
    made = event("initiative.commitment_made", bridge, "2011-03-31", **told)
    # when
    answer = service.client.post("/v1/events", json=made, headers=ADMIN | {"Prefer": "handling=strict"})
    # then
    assert [one["code"] for one in problem_of(answer, 409)["anomalies"]] == ["source_conflict"]
    assert service.client.post("/v1/events", json=made, headers=ADMIN).json()["events"][0]["anomalies"] == []


def test_a_dry_run_says_what_would_be(service: Service) -> None:
    """The answer is the one that the append gets then, the states are those that it leaves; and nothing is recorded."""
    # given
    service.given(
        event("source.registered", "source:thx", sources=[], title="A report", kind="other"),
        event("agreement.mentioned", PACT, "2019", title="A pact"),
    )
    signed = event("agreement.signed", PACT, "2020", signatories=[{"party": "party:usa"}, {"party": "party:ind"}])
    # when
    tried = service.client.post("/v1/events?dry_run=true", json=signed, headers=ADMIN)
    # then
    assert len(service.get("/v1/events").json()["events"]) == 2
    done = service.client.post("/v1/events", json=signed, headers=ADMIN)
    assert (tried.status_code, done.status_code) == (200, 201)
    assert tried.json()["dry_run"] is True
    assert _nameless(tried.json()["events"]) == _nameless(done.json()["events"])
    [state] = tried.json()["states"]
    service.follower.step()
    now = service.get("/v1/agreements/pact").json()
    assert (state["before"]["status"], state["after"]["status"]) == ("mentioned", "signed")
    for name in state["after"].keys() - {"participation"}:
        assert state["after"][name] == now[name], name
    assert [one["status"] for one in state["after"]["participation"]] == ["signatory", "signatory"]


def test_a_dry_run_is_refused_as_the_append_would_be(service: Service) -> None:
    """With the same problem document, strictly too; and a repeated event gets its first answer."""
    resumed = event("initiative.resumed", "initiative:nothing", "2020")
    problems = [
        problem_of(service.client.post(f"/v1/events{query}", json=resumed, headers=ADMIN), 409)
        for query in ("", "?dry_run=true")
    ]
    assert len({one["detail"] for one in problems}) == 1
    odd = event("milestone.reported", "milestone:roof", "2020", title="The roof", sources=[{"source": "source:nobody"}])
    strict = ADMIN | {"Prefer": "handling=strict"}
    assert (
        problem_of(service.client.post("/v1/events?dry_run=true", json=odd, headers=strict), 409)["rule"] == "flagged"
    )
    key = ADMIN | {"Idempotency-Key": "once"}
    first = service.client.post("/v1/events", json=odd, headers=key).json()
    again = service.client.post("/v1/events?dry_run=true", json=odd, headers=key).json()
    assert again["events"] == first["events"]
    other = service.client.post("/v1/events?dry_run=true", json=odd | {"occurred": "2021"}, headers=key)
    assert problem_of(other, 422)["type"] == "/problems/id-reused"


def _nameless(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "id"} for one in events]


def test_what_reopens_before_the_common_era_is_folded() -> None:
    """In whatever order it was recorded: it is no earlier in its day for being told of before year 1."""
    proposed, cancelled, reinstated = (
        act(f"meeting.{name}", day)
        for name, day in (("proposed", "-0050-01-01"), ("cancelled", "-0045-03-15"), ("reinstated", "-0044-03-15"))
    )
    for facts in permutations([cancelled, reinstated]):
        stream = given(proposed, *facts)
        assert stream.status() == "scheduled"
        assert set(stream.shown()["dates"]) == {"proposed", "cancelled", "reinstated"}


@pytest.mark.parametrize("effective", ["XXXX", "XXXX-12"])
def test_an_effect_of_which_nothing_is_known_hides_no_act(effective: str) -> None:
    """It counts from the day on which it was recorded, and is shown from then on."""
    topic = act("meeting.topic_discussed", "2010-01-01") | {"effective": effective}
    assert given(act("meeting.proposed", "2009-01-01"), topic).shown("9999-12-30")["topics"]
