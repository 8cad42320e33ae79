"""A format of text: what goes before, what each document becomes, and what goes behind."""

from collections.abc import Callable
from typing import NamedTuple


class Form(NamedTuple):
    """``each`` is given one JSON document as text, in which persons are shown as the reader may see them."""

    begin: str
    each: Callable[[str], str]
    end: str = ""


def lines_form(shown: Callable[[str], str]) -> Form:
    """JSON Lines: one document a line, with what of it is to be shown."""
    return Form("", lambda document: f"{shown(document)}\n")
