"""A form as a browser without script has it: what it shows, what may be filled in, and what is sent."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

import html5lib

TEXTS = ("text", "date", "password")


@dataclass
class Control:
    """One thing to fill in, or to tick, or to choose from; or a button."""

    tag: str
    type: str
    name: str
    value: str
    attributes: dict[str, str | None]
    options: list[str] = field(default_factory=list)
    is_on: bool = False

    @property
    def is_sent(self) -> bool:
        return bool(self.name) and (self.is_on if self.type in ("radio", "checkbox") else self.tag != "button")


class Form(HTMLParser):
    """The form of a page that is sent by POST to ``action``; and the ids and texts of the whole page."""

    def __init__(self, page: str, css: str = "fill") -> None:
        """``css``: of the form that is meant. Raises where the page is no valid HTML."""
        super().__init__()
        html5lib.HTMLParser(strict=True).parse(page)
        self.css, self.inside, self.action = css, False, ""
        self.controls: list[Control] = []
        self.ids: set[str] = set()
        self.lists: dict[str, list[str]] = {}
        self.open: Control | None = None
        self.list = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        if tag == "form" and given.get("class") == self.css:
            self.inside, self.action = True, given["action"] or ""
        elif tag == "datalist":
            self.list = given["id"] or ""
            self.lists[self.list] = []
        elif tag == "option" and self.list:
            self.lists[self.list].append(given["value"] or "")
        elif self.inside:
            self._control(tag, given)

    def _control(self, tag: str, given: dict[str, str | None]) -> None:
        name, value, on = given.get("name") or "", given.get("value") or "", "checked" in given
        if tag == "option" and self.open:
            self.open.options.append(value)
            self.open.value = value if "selected" in given else self.open.value
        elif tag in ("input", "textarea", "select", "button"):
            kind = (given.get("type") or "text") if tag == "input" else tag
            self.controls.append(Control(tag, kind, name, value, given, is_on=on))
            self.open = self.controls[-1] if tag in ("textarea", "select") else self.open

    def handle_data(self, data: str) -> None:
        if self.open and self.open.tag == "textarea":
            self.open.value += data

    def handle_endtag(self, tag: str) -> None:
        if self.open and tag == self.open.tag:
            if tag == "textarea":
                self.open.value = self.open.value.removeprefix("\n")
            self.open = None
        elif tag == "form":
            self.inside = False
        elif tag == "datalist":
            self.list = ""

    def named(self, name: str) -> list[Control]:
        return [one for one in self.controls if one.name == name and one.tag != "button"]

    def fill(self, name: str, value: str) -> None:
        """Type a text, or choose a code. Raises AssertionError where the browser would not let it be sent."""
        found = self.named(name)
        assert found, f"nothing to fill in at {name}"
        if found[0].type in ("radio", "checkbox"):
            assert value in [one.value for one in found], f"{value} cannot be chosen at {name}"
            for one in found:
                one.is_on = one.value == value or (one.is_on and one.type == "checkbox")
            return
        one = found[0]
        assert one.tag != "select" or value in one.options, f"{value} cannot be chosen at {name}"
        assert (pattern := one.attributes.get("pattern")) is None or re.fullmatch(pattern, value), (name, value)
        assert (longest := one.attributes.get("maxlength")) is None or len(value) <= int(longest), (name, value)
        assert one.type != "hidden", f"{name} is not to be filled in"
        one.value = value

    @property
    def missing(self) -> list[str]:
        """What the browser asks to be filled in before it sends the form."""
        needed = {one.name for one in self.controls if "required" in one.attributes}
        return sorted(name for name in needed if not any(one.is_sent and one.value for one in self.named(name)))

    def body(self, button: str = "do", value: str = "preview") -> str:
        """What is sent when a button is pressed, which must be there."""
        assert any(one.tag == "button" and (one.name, one.value) == (button, value) for one in self.controls)
        sent = [(one.name, one.value.replace("\n", "\r\n")) for one in self.controls if one.is_sent]
        return urlencode([*sent, (button, value)])
