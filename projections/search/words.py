"""Words as they are searched for: without accents, in small letters. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from struct import pack

WORD = re.compile(r"\w+")
LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ŋ": "n"}
)
"""Those that Unicode does not take apart into a letter and its accent."""

MAX_BYTES = 200
"""Of a word: what is longer is searched for by its beginning."""


@lru_cache(2_000)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, each once, in the order of their bytes."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join([one for one in apart if not "\u0300" <= one <= "\u036f"]).translate(LETTERS)
    found = (
        WORD.findall(plain)
        if plain.isascii()
        else "".join([one if _is_of_a_word(one) else " " for one in plain]).split()
    )
    return tuple(sorted({_short(word) for word in found}))


def _is_of_a_word(letter: str) -> bool:
    """Letters, digits and what belongs to them, such as the vowel signs of Hindi and Thai."""
    return letter.isalnum() or letter == "_" or unicodedata.category(letter)[0] == "M"


def _short(word: str) -> str:
    return word if len(word) <= MAX_BYTES // 4 else word.encode()[:MAX_BYTES].decode(errors="ignore")


def tsvector(words: Iterable[str]) -> bytes:
    """Postgres' type, in its binary format: how many words, then each with how many places it has: none."""
    told = sorted({word.encode() for word in words})
    return pack("!i", len(told)) + b"".join([word + b"\0\0\0" for word in told])


def tsquery(text: str) -> str:
    """Postgres' type, as text: what holds all the words of a text, each at the beginning of one. Empty: none."""
    return " & ".join(f"'{word}':*" for word in words_of(text))
