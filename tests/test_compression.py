"""Answers are made smaller for who takes that, and say the same in every coding."""

import gzip
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http import downloads
from api.http.compression import CODINGS, SMALL_BYTES, Compressor, coding_of
from api.http.response_cache import CachedResponse
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import ADMIN_KEY, Service, unpacked
from tests.test_signing_in import session

pytest_plugins = ["tests.service"]

PLAIN = {"Accept-Encoding": "identity"}
PATHS = [
    "/v1/initiatives/indus-x", "/v1/initiatives", "/v1/events", "/v1/initiatives/indus-x/history", "/initiatives", "/entries.csv",
    "/initiatives/indus-x", "/v1/openapi.json", "/initiatives.jsonl",
]  # fmt: skip
"""Each has an answer that is worth it."""


def sent(service: Service, path: str, coding: str, method: str = "GET", **more: str) -> tuple[Any, bytes]:
    """A response, and its body as it went over the wire."""
    headers = {"Accept-Encoding": coding} | {name.replace("_", "-"): value for name, value in more.items()}
    with service.client.stream(method, path, headers=headers) as response:
        return response, b"".join(response.iter_raw())


@pytest.fixture
def seeded(service: Service) -> Service:
    service.given(THX, USA, INDIA, INDUS_X | {"data": INDUS_X["data"] | {"objective": "In so many words. " * 40}})
    service.given(*[_noted(number) for number in range(12)])
    return service


def _noted(number: int) -> dict[str, Any]:
    return event(
        "entry.annotated", "initiative:indus-x", target=4, text=f"Note {number}, which says what the one before it said"
    )


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", None),
        ("identity", None),
        ("br, deflate", None),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip;q=0.001", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip ; q=0.5", "gzip"),
        ("identity;q=0", None),
        ("gzip;q=x, zstd;q=2", None),
    ],
)
def test_the_coding_that_is_wanted_most(header: str, coding: str | None) -> None:
    """Weights decide, 0 rules out, zstd goes before gzip where both are wanted alike, and nobody gets what they did not ask for."""
    assert coding_of(header) == coding


@given(st.text(st.sampled_from("gzipstd*q=01.;, identy")))
def test_any_header_is_read(header: str) -> None:
    """Whatever it is, it asks for one of the codings, which it names, or for none."""
    coding = coding_of(header)
    assert coding is None or coding in header.lower() or "*" in header


@pytest.mark.parametrize("coding", CODINGS)
def test_an_answer_says_the_same_in_every_coding(seeded: Service, subtests: pytest.Subtests, coding: str) -> None:
    """The body unpacks to what goes out plain; ETag and all headers but those of the body are the same, as HEAD, too;
    caches are told what it depends on; and the same is sent again, byte for byte."""
    for path in PATHS:
        with subtests.test(path):
            plain, whole = sent(seeded, path, "identity")
            packed, body = sent(seeded, path, coding)
            assert len(whole) > SMALL_BYTES
            assert "content-encoding" not in plain.headers
            assert packed.headers["content-encoding"] == coding
            assert unpacked(coding, body) == whole
            assert len(body) < len(whole)
            assert packed.headers.get("content-length") in (None, str(len(body)))
            for one in (plain, packed):
                assert "Accept-Encoding" in one.headers["vary"].split(", ")
            ours = {"content-encoding", "content-length", "request-id"}
            assert {k: v for k, v in packed.headers.items() if k not in ours} == {
                k: v for k, v in plain.headers.items() if k not in ours
            }
            again, same = sent(seeded, path, coding)
            assert (again.status_code, same) == (200, body)
            head, nothing = sent(seeded, path, coding, "HEAD")
            assert nothing == b""
            assert {**head.headers, "request-id": ""} == {**packed.headers, "request-id": ""}


@pytest.mark.parametrize("coding", CODINGS)
def test_who_has_it_already_is_told_so_in_every_coding(seeded: Service, coding: str) -> None:
    """The ETag of one coding is good for all, from memory and anew; 304 has no body and no coding, and says what it depends on."""
    path = "/v1/initiatives/indus-x"
    tag = seeded.get(path, PLAIN).headers["etag"]
    assert tag.startswith('W/"v')
    for _ in range(2):
        response, body = sent(seeded, path, coding, If_None_Match=tag)
        assert (response.status_code, body) == (304, b"")
        assert "content-encoding" not in response.headers
        assert response.headers["vary"] == "Accept-Encoding"
        sent(seeded, path, coding)


def test_what_is_kept_is_kept_as_it_was_sent(seeded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is given again is not compressed again, and each coding has its own."""
    path = "/v1/initiatives/indus-x"
    first = {coding: sent(seeded, path, coding)[1] for coding in ("gzip", "zstd", "identity")}
    served: list[CachedResponse] = []
    given_again = CachedResponse.send

    async def note(self: CachedResponse, *told: Any) -> None:
        served.append(self)
        await given_again(self, *told)

    monkeypatch.setattr(CachedResponse, "send", note)
    assert {coding: sent(seeded, path, coding)[1] for coding in first} == first
    assert [one.body for one in served] == list(first.values())


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_what_a_reader_had_already_is_compressed_once_for_all_others(
    seeded: Service, coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody was sent the body first, as the first to ask had it already."""
    path, made = "/v1/initiatives/indus-x", list[str]()
    tag = sent(seeded, path, "identity")[0].headers["etag"]
    begin = CODINGS[coding]

    def note() -> Compressor:
        made.append(coding)
        return begin()

    monkeypatch.setitem(CODINGS, coding, note)
    known = seeded.client.get(path, headers={"Accept-Encoding": coding, "If-None-Match": tag})
    assert known.status_code == 304
    bodies = [sent(seeded, path, coding)[1] for _ in range(3)]
    assert len({*bodies}) == 1
    assert made == [coding]


def test_what_is_small_or_compressed_already_goes_out_as_it_is(service: Service) -> None:
    """A problem, an empty list and hashes have no coding."""
    for path in ("/v1/parties/nobody", "/v1/parties", "/v1/events"):
        response, body = sent(service, path, "gzip, zstd")
        assert len(body) < SMALL_BYTES
        assert "content-encoding" not in response.headers
        assert response.headers["content-length"] == str(len(body))
        assert "Accept-Encoding" in response.headers["vary"]


def test_a_long_answer_to_an_append_is_compressed(service: Service) -> None:
    """What is wrong with many events is told in short, too."""
    bad = {"events": [{"type": "nothing"}] * 100}
    response = service.client.post(
        "/v1/events", json=bad, headers={"Accept-Encoding": "gzip", "Authorization": "Bearer x"}
    )
    assert response.status_code == 401
    response = service.post(*bad["events"], Accept_Encoding="gzip")
    assert response.status_code == 422
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.json()["errors"]) == 100


@pytest.mark.parametrize("coding", CODINGS)
def test_a_file_is_compressed_as_it_is_streamed(seeded: Service, monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
    """Page by page, never whole: what comes is the plain file, and two downloads are the same bytes."""
    monkeypatch.setattr(downloads, "PAGE", 3)
    monkeypatch.setattr("api.http.reads.PAGE", 3)
    fed: list[int] = []

    class Watched:
        def __init__(self, inner: Compressor) -> None:
            self.inner, self.flush = inner, inner.flush

        def compress(self, data: bytes) -> bytes:
            fed.append(len(data))
            return self.inner.compress(data)

    make = CODINGS[coding]
    monkeypatch.setitem(CODINGS, coding, lambda: Watched(make()))
    _, whole = sent(seeded, "/entries.jsonl?known_at=16", "identity")
    response, body = sent(seeded, "/entries.jsonl?known_at=16", coding)
    assert unpacked(coding, body) == whole
    assert max(fed) < len(whole) / 3
    assert "content-length" not in response.headers
    assert sent(seeded, "/entries.jsonl?known_at=16", coding)[1] == body


def test_in_a_session_nothing_is_compressed(seeded: Service) -> None:
    """What another site puts into an address stands in a page beside names that the session may see: sizes tell nothing of them."""
    headers = session(seeded, ADMIN_KEY) | {"Accept-Encoding": "gzip, zstd"}
    for path in ("/initiatives?text=indus", "/v1/initiatives/indus-x"):
        for _ in range(2):
            response = seeded.get(path, headers)
            assert response.status_code == 200
            assert len(response.content) > SMALL_BYTES
            assert "content-encoding" not in response.headers


def test_a_file_from_the_disk_is_compressed_and_its_etag_is_weak(service: Service) -> None:
    """It comes in several parts, of which the first is not all; a part that was asked for goes out as it is."""
    [path] = {one for one in re.findall(r'src="([^"]+)"', service.get("/api").text) if one.endswith(".js")}
    plain, whole = sent(service, path, "identity")
    packed, body = sent(service, path, "gzip")
    assert len(whole) > 2**18
    assert unpacked("gzip", body) == whole
    assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
    assert "accept-ranges" not in packed.headers
    assert sent(service, path, "gzip", If_None_Match=packed.headers["etag"])[0].status_code == 304
    part, few = sent(service, path, "gzip", Range="bytes=0-1999")
    assert (part.status_code, few) == (206, whole[:2_000])


def test_gzip_notes_no_time() -> None:
    """RFC 1952: bytes 4 to 7 are when it was made; of ours they are 0."""
    compressor = CODINGS["gzip"]()
    made = compressor.compress(b"abc") + compressor.flush()
    assert made[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert gzip.decompress(made) == b"abc"
