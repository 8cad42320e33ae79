"""The code lists, each with the standard it comes from. A code is stored as it is written here: add, never rename."""

from enum import StrEnum, auto


class Modality(StrEnum):
    """How the source supports the fact."""

    stated = auto()
    implied = auto()
    author_claim = auto()
    inferred = auto()


class SourceKind(StrEnum):
    """What sort of document asserts a fact."""

    news_article = auto()
    official_readout = auto()
    press_release = auto()
    treaty_text = auto()
    gazette = auto()
    dataset = auto()
    speech = auto()
    social_post = auto()
    report = auto()
    legislation = auto()
    depositary_notification = auto()
    website = auto()
    other = auto()


class PartyKind(StrEnum):
    state = auto()
    government_body = auto()
    armed_force = auto()
    international_org = auto()
    company = auto()
    industry_body = auto()
    academic = auto()
    fund = auto()
    consortium = auto()
    forum = auto()
    supranational = auto()
    other = auto()


class SuccessionMode(StrEnum):
    continuation = auto()
    merger = auto()
    split = auto()  # type: ignore[assignment]  # it hides str.split, which nobody calls on a code
    dissolution = auto()


class InitiativeKind(StrEnum):
    partnership = auto()
    ecosystem = auto()
    co_production = auto()
    co_development = auto()
    procurement = auto()
    exercise_series = auto()
    challenge = auto()
    dialogue = auto()
    research = auto()
    workstream = auto()
    framework = auto()
    other = auto()


class Role(StrEnum):
    """IATI OrganisationRole, OCDS partyRole and SIPRI's arms transfers."""

    lead = auto()
    funder = auto()
    accountable = auto()
    extending = auto()
    implementer = auto()
    supplier = auto()
    licensor = auto()
    recipient = auto()
    participant = auto()
    observer = auto()
    host = auto()
    organiser = auto()
    candidate = auto()
    invited = auto()


class InitiativeRelation(StrEnum):
    """IATI RelatedActivityType, and two."""

    parent = auto()
    child = auto()
    sibling = auto()
    co_funded = auto()
    third_party = auto()
    continues = auto()
    replaces = auto()


class Strength(StrEnum):
    """IATI transaction types: pledge 12/13, firm 2/11, delivered 3/4; declaratory is a commitment in words."""

    declaratory = auto()
    pledge = auto()
    firm = auto()
    delivered = auto()


class Area(StrEnum):
    """Of defence, as in the Defense Cooperation Agreement Dataset (Kinne 2020), and those that the seed names; and of all else,
    each from a standard of its own. What is none of them is ``other``, with a label beside it.
    """

    policy_coordination = auto()
    exercises = auto()
    peacekeeping = auto()
    research_development = auto()
    co_development = auto()
    co_production = auto()
    technology_transfer = auto()
    procurement_trade = auto()
    industrial_base = auto()
    innovation_ecosystem = auto()
    jet_engines = auto()
    munitions = auto()
    land_mobility = auto()
    space = auto()
    maritime_security = auto()
    regional_security = auto()
    interoperability = auto()
    information_sharing = auto()
    classified_information = auto()
    logistics = auto()
    liaison_officers = auto()
    officer_exchange = auto()
    education_training = auto()
    operational_cooperation = auto()
    cyber = auto()
    trade = auto()
    climate = auto()
    environment = auto()
    energy = auto()
    health = auto()
    critical_minerals = auto()
    artificial_intelligence = auto()
    quantum = auto()
    undersea = auto()
    education = auto()
    science = auto()
    migration = auto()
    employment = auto()
    finance = auto()
    digital = auto()
    industry = auto()
    agriculture = auto()
    water = auto()
    transport = auto()
    tourism = auto()
    culture = auto()
    justice = auto()
    human_rights = auto()
    emergency_response = auto()
    other = auto()


class InstrumentType(StrEnum):
    treaty = auto()
    convention = auto()
    agreement = auto()
    protocol = auto()
    exchange_of_notes = auto()
    exchange_of_letters = auto()
    memorandum_of_understanding = auto()
    memorandum_of_agreement = auto()
    arrangement = auto()
    declaration = auto()
    joint_statement = auto()
    statement_of_intent = auto()
    plan_of_action = auto()
    roadmap = auto()
    contract = auto()
    licence = auto()
    amendment = auto()
    annex = auto()
    other = auto()
    unknown = auto()


class Binding(StrEnum):
    """Never inferred from the instrument's name (22 CFR 181.2)."""

    binding = auto()
    non_binding = auto()
    unknown = auto()


class Ambit(StrEnum):
    bilateral = auto()
    trilateral = auto()
    plurilateral = auto()
    multilateral = auto()
    regional = auto()
    interministerial = auto()


class Publicity(StrEnum):
    public = auto()
    partly_secret = auto()
    secret = auto()
    unknown = auto()


class SignatureMode(StrEnum):
    definitive = auto()
    subject_to_ratification = auto()
    ad_referendum = auto()
    exchange_of_notes = auto()
    unknown = auto()


class ConsentMethod(StrEnum):
    """United Nations Treaty Collection; its letters stand behind."""

    ratification = auto()
    acceptance = auto()  # A
    approval = auto()  # AA
    accession = auto()  # a
    succession = auto()  # d
    definitive_signature = auto()  # s
    formal_confirmation = auto()  # c
    consent_to_be_bound = auto()  # P
    simplified_procedure = auto()  # p
    confirmation_of_signature_ad_referendum = auto()  # C
    provisional_application_notice = auto()  # n


class Ground(StrEnum):
    """Why an agreement, or a party's part in it, ends or rests (Vienna Convention on the Law of Treaties, part V)."""

    consent = auto()
    term_expired = auto()
    denunciation = auto()
    breach = auto()
    replaced = auto()
    superseded = auto()
    sunset = auto()
    impossibility = auto()
    fundamental_change = auto()
    implied_by_later = auto()
    other = auto()
    unknown = auto()


class AgreementRelation(StrEnum):
    amends = auto()
    supplements = auto()
    extends = auto()
    renews = auto()
    modifies = auto()
    replaces = auto()
    upgrades = auto()
    terminates = auto()
    implements = auto()
    annex_to = auto()
    corrects = auto()
    framework_of = auto()
    parent = auto()
    prior = auto()


class MeetingKind(StrEnum):
    bilateral = auto()
    summit = auto()
    ministerial = auto()
    working_group = auto()
    senior_official = auto()
    dialogue_2plus2 = auto()
    conference = auto()
    signing = auto()
    exercise_planning = auto()
    other = auto()


class MeetingMode(StrEnum):
    """schema.org EventAttendanceModeEnumeration."""

    in_person = auto()
    online = auto()
    hybrid = auto()


class Participation(StrEnum):
    """RFC 5545 ROLE."""

    CHAIR = "CHAIR"
    REQ_PARTICIPANT = "REQ-PARTICIPANT"
    OPT_PARTICIPANT = "OPT-PARTICIPANT"
    NON_PARTICIPANT = "NON-PARTICIPANT"


class PartStat(StrEnum):
    """RFC 5545 PARTSTAT."""

    NEEDS_ACTION = "NEEDS-ACTION"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    TENTATIVE = "TENTATIVE"
    DELEGATED = "DELEGATED"


class OutcomeKind(StrEnum):
    agreement = auto()
    initiative = auto()
    milestone = auto()
    joint_statement = auto()


class MilestoneType(StrEnum):
    """OCDS milestoneType, and ours."""

    approval = auto()
    engagement = auto()
    assessment = auto()
    delivery = auto()
    reporting = auto()
    financing = auto()
    payment = auto()
    signature = auto()
    launch = auto()
    first_production = auto()
    technology_transfer = auto()
    export_authorisation = auto()
    exercise_held = auto()
    other = auto()


class CorrectionReason(StrEnum):
    """Why an entry is wrong. What changed in the world (amended, terminated) is a fact and never a reason."""

    transcription_error = auto()
    wrong_date = auto()
    wrong_precision = auto()
    wrong_party = auto()
    wrong_stream = auto()
    duplicate = auto()
    never_occurred = auto()
    source_corrected = auto()
    source_retracted = auto()
    better_source = auto()
    translation_error = auto()
    misread_source = auto()
    unauthorised_entry = auto()
    test_entry = auto()


class ErasureGround(StrEnum):
    """On what ground the name of a person is erased; the article is that of the General Data Protection Regulation."""

    consent_withdrawn = auto()
    article_17 = auto()
    court_order = auto()
    retention = auto()
    recorded_in_error = auto()
    other = auto()


class DisputeOutcome(StrEnum):
    upheld = auto()
    rejected = auto()
    split = auto()  # type: ignore[assignment]  # it hides str.split, which nobody calls on a code


class AnomalyCode(StrEnum):
    """What is accepted and flagged."""

    date_order = auto()
    missing_predecessor = auto()
    dangling_reference = auto()
    source_conflict = auto()
    future_act = auto()
    outside_source_date = auto()
    duplicate_suspect = auto()
    after_end = auto()
    repeated_act = auto()
