"""Examples in the OpenAPI document. A test sends each of them to a service with the seed and compares the answer."""

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
