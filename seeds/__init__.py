"""The seed ledger: what two sets of sources say, coded as events ready to be appended.

``article.jsonl`` holds what one undated article says; ``dossier.jsonl``, to be recorded after it, holds dated facts
from other pages. README.md tells how each was coded. Ids are fixed, so loading a file again changes nothing.
"""

from importlib.resources import files
from typing import Any

from pydantic_core import from_json

FILES = ("article.jsonl", "dossier.jsonl")


def events(name: str) -> list[dict[str, Any]]:
    """The events of one of ``FILES``, in the order in which they are to be recorded."""
    text = (files(__name__) / name).read_text("utf-8")
    return [from_json(line) for line in text.splitlines()]
