"""Examples in the OpenAPI document. A test sends each of them, in this order, to a new ledger and compares the answers."""

from typing import Any

APPEND_BODIES: dict[str, Any] = {
    "one": {
        "summary": "One event",
        "value": {
            "id": "01990000-0000-7000-8000-000000000001",
            "type": "initiative.reported",
            "subject": "initiative:example-dialogue",
            "modality": "stated",
            "sources": [{"source": "source:example-readout", "locator": "paragraph 2"}],
            "data": {"name": "Example dialogue", "kind": "dialogue", "areas": ["logistics"]},
        },
    },
    "several": {
        "summary": "Several events, all or none",
        "value": {
            "events": [
                {
                    "id": "01990000-0000-7000-8000-000000000002",
                    "type": "source.registered",
                    "subject": "source:example-readout",
                    "data": {"title": "Readout of the example dialogue", "kind": "official_readout"},
                },
                {
                    "id": "01990000-0000-7000-8000-000000000003",
                    "type": "meeting.held",
                    "subject": "meeting:example-dialogue-1",
                    "occurred": "2026-03",
                    "sources": [{"source": "source:example-readout"}],
                    "data": {"title": "First example dialogue", "initiatives": ["initiative:example-dialogue"]},
                },
            ]
        },
    },
    "impossible": {
        "summary": "A day that there is not",
        "value": {
            "type": "meeting.held",
            "subject": "meeting:example-dialogue-2",
            "occurred": "2026-02-30",
            "sources": [{"source": "source:example-readout"}],
            "data": {"title": "Second example dialogue"},
        },
    },
    "forbidden": {
        "summary": "What cannot be the first that is known of an initiative",
        "value": {
            "type": "initiative.resumed",
            "subject": "initiative:unheard-of",
            "sources": [{"source": "source:example-readout"}],
        },
    },
}

APPEND_ANSWERS: dict[str, Any] = {
    "one": {
        "summary": "One event, recorded and flagged",
        "value": {
            "position": 1,
            "events": [
                {
                    "id": "01990000-0000-7000-8000-000000000001",
                    "position": 1,
                    "subject": "initiative:example-dialogue",
                    "version": 1,
                    "anomalies": [
                        {"code": "dangling_reference", "detail": "nothing is known of source:example-readout"}
                    ],
                }
            ],
        },
    },
    "several": {
        "summary": "Several events",
        "value": {
            "position": 3,
            "events": [
                {
                    "id": "01990000-0000-7000-8000-000000000002",
                    "position": 2,
                    "subject": "source:example-readout",
                    "version": 1,
                    "anomalies": [],
                },
                {
                    "id": "01990000-0000-7000-8000-000000000003",
                    "position": 3,
                    "subject": "meeting:example-dialogue-1",
                    "version": 1,
                    "anomalies": [],
                },
            ],
        },
    },
}

_IMPOSSIBLE = "there is no day 2026-02-30 in the calendar"
_FORBIDDEN = "nothing is known of initiative:unheard-of, and initiative.resumed cannot be its first fact"

INVALID: dict[str, Any] = {
    "impossible": {
        "summary": "A day that there is not",
        "value": {
            "type": "/problems/invalid",
            "title": "It cannot be read",
            "status": 422,
            "detail": f"/occurred: {_IMPOSSIBLE}",
            "request_id": "01a203d518fc776d8ebb13eba66387fb",
            "errors": [{"pointer": "/occurred", "detail": _IMPOSSIBLE, "code": "value_error"}],
        },
    }
}

REFUSED: dict[str, Any] = {
    "forbidden": {
        "summary": "What cannot be the first that is known of an initiative",
        "value": {
            "type": "/problems/refused",
            "title": "A rule forbids it",
            "status": 409,
            "detail": _FORBIDDEN,
            "request_id": "01a203d518f6788f81d6d45ac6f6d973",
            "rule": "cannot_open",
            "errors": [{"pointer": "", "detail": _FORBIDDEN, "code": "cannot_open"}],
        },
    }
}

_LOG: dict[str, Any] = {
    "/v1/events?after=1&limit=1": {
        "summary": "A page of one entry",
        "value": {
            "events": [
                {
                    "sequence": "00000000000000000002",
                    "recordedtime": "2026-11-22T15:17:45.252546Z",
                    "specversion": "1.0",
                    "id": "01990000-0000-7000-8000-000000000002",
                    "source": "/ledgers/partnerships",
                    "type": "source.registered",
                    "subject": "source:example-readout",
                    "streamversion": 1,
                    "authtype": "api_key",
                    "authid": "admin",
                    "dataschema": "http://127.0.0.1:8000/v1/event-types/source.registered/1",
                    "datacontenttype": "application/json",
                    "data": {
                        "occurred": None,
                        "effective": None,
                        "modality": "stated",
                        "sources": [],
                        "title": "Readout of the example dialogue",
                        "kind": "official_readout",
                    },
                }
            ],
            "next": "5f0c9ba1d27e4683:2",
        },
    }
}

_INITIATIVE: dict[str, Any] = {
    "/v1/initiatives/example-dialogue?known_at=1": {
        "summary": "A state, which entries set it, and what it rests on",
        "value": {
            "subject": "initiative:example-dialogue",
            "id": "example-dialogue",
            "version": 1,
            "status": "reported",
            "name": "Example dialogue",
            "short_name": None,
            "kind": "dialogue",
            "areas": ["logistics"],
            "objective": None,
            "parent": None,
            "parties": None,
            "dates": {},
            "unknown": {
                "short_name": "not_stated",
                "objective": "not_stated",
                "parent": "not_stated",
                "parties": "not_stated",
            },
            "alternatives": {},
            "anomalies": [
                {
                    "code": "dangling_reference",
                    "position": 1,
                    "detail": "nothing is known of source:example-readout",
                }
            ],
            "disputed": False,
            "disputes": [],
            "sources": ["source:example-readout"],
            "provenance": {"name": [1], "kind": [1], "areas": [1], "status": [1]},
            "unverified": {},
            "initiatives": [],
            "agreements": [],
            "meetings": [],
            "milestones": [],
            "basis": {
                "known_at": 1,
                "known_at_time": "2026-11-22T15:17:45.252546Z",
                "valid_at": "2026-11-22",
                "final": True,
                "checkpoint": None,
            },
        },
    }
}

READS = {"/v1/events": _LOG, "/v1/initiatives/{id}": _INITIATIVE}
"""By path; each example is named by the address that it is the answer of."""
