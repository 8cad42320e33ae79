"""Which format an Accept header asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.negotiation import MEDIA_TYPES, negotiate
from api.http.problems import NotAcceptable

PAGE = ("html", "json", "jsonl", "csv", "atom")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "html"),
        ("  ", "html"),
        ("*/*", "html"),
        (BROWSER, "html"),
        ("text/csv", "csv"),
        ("TEXT/CSV", "csv"),
        ("text/csv; header=present; q=0.5, text/html;q=0.4", "csv"),
        ("application/json, text/html", "html"),
        ("application/json, text/html;q=0.9", "json"),
        ("application/jsonl", "jsonl"),
        ("application/x-ndjson", "jsonl"),
        ("application/*", "json"),
        ("application/*, application/json;q=0.1", "jsonl"),
        ("text/html;q=0, */*", "json"),
        ("text/html;q=0, text/*", "csv"),
        ("*/*;q=0.1, text/*;q=0.2, text/html;q=0.0", "csv"),
        ('text/plain; title="a, text/csv", application/atom+xml', "atom"),
        ("nonsense, text/csv;q=2, application/json;Q=0.001", "json"),
        ("image/png, application/atom+xml ; q=1.000", "atom"),
    ],
)
def test_the_most_wanted_of_what_is_offered(accept: str, wanted: str) -> None:
    """The most specific range counts, its weight decides, and what is offered first goes out where nothing else does."""
    assert negotiate(accept, PAGE) == wanted


@pytest.mark.parametrize(
    "accept", ["image/png", "*/*;q=0", "text/html;q=0", "text/calendar", ",", "html", "text/csv;q=x"]
)
def test_what_nothing_fits_is_refused_with_what_there_is(accept: str) -> None:
    """Where no format fits, the error names those that there are."""
    with pytest.raises(NotAcceptable, match="there are text/html, application/json, application/x-ndjson, text/csv"):
        negotiate(accept, PAGE)


@given(st.text(st.sampled_from('texhmlcsvjonqQ=01./*,; "\\')), st.sampled_from(sorted(MEDIA_TYPES)))
def test_any_header_is_read(accept: str, only: str) -> None:
    """Whatever the header is, one of what is offered is chosen or all of it is refused; and what is said last by name counts."""
    for offered in (PAGE, (only,)):
        try:
            assert negotiate(accept, offered) in offered
        except NotAcceptable:
            assert accept.strip()
    closed = accept if accept.count('"') == 0 else ""
    assert negotiate(f"{closed},{MEDIA_TYPES[only][0]};q=1", (only,)) == only
