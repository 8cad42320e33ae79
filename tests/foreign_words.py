"""Whether a text has words that are not ours: of the library that reads what is given, which are about its types and not about the ledger."""

import re

from pydantic_core._pydantic_core import list_all_errors

OUR_OWN = ("value_error", "assertion_error")
"""What stands behind these words is a sentence of a check of ours."""
FROM_PYTHON = (
    "value is not a valid",
    "Input is not a valid",
    "validation error",
    "pydantic",
    "Value error,",
    "Assertion failed",
)


def _fixed(template: str) -> str:
    """The longest part of a sentence that is the same in all of its uses."""
    return max(re.split(r"\{\w+\}", template), key=len).strip()


SENTENCES = {_fixed(one["message_template_python"]) for one in list_all_errors() if one["type"] not in OUR_OWN} - {"or"}


def foreign_words(text: str) -> list[str]:
    """Those of the library's sentences that are in a text."""
    return [one for one in (*SENTENCES, *FROM_PYTHON) if one in text]


ODD_TEXTS = (
    "", " ", "x", "-1", "0", "1.5", "1e3", "9" * 30, "true", "maybe", "\0", "a" * 2_001, "party:", "usa", "é", "2024-13-45",
    "2024-09-10T00:00:00", "[]", "{}", "null", "in_forc",
)  # fmt: skip
"""Of texts that are to be read as something, each is odd to most."""
