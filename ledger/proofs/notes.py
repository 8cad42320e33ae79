"""Signed notes and their keys: c2sp.org/signed-note, and cosignatures: c2sp.org/tlog-cosignature. Pure but for the signatures' own
random numbers.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

MAX_NOTE_BYTES = 1_000_000
SEED_BYTES = 32
NAME = re.compile(r"[^\s+]+")
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")

ED25519, ED25519_COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06
"""Types of signature."""
PUBLIC_BYTES = {ED25519: 32, ED25519_COSIGNATURE: 32, ML_DSA_44: 1312}
SIGNATURE_BYTES = {ED25519: 64, ED25519_COSIGNATURE: 64, ML_DSA_44: 2420}
TIME_BYTES = 8


class BadNote(ValueError):
    """What is no signed note, no key, or is not signed by whom it should be."""


class Signature(NamedTuple):
    """A signature line: the key's name, its id (4 bytes), and what it signed with; a cosignature begins with its time."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        return f"\u2014 {self.name} {b64encode(self.key_id + self.signature).decode()}\n"

    @classmethod
    def read(cls, line: str) -> Self:
        """Raises BadNote."""
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "\u2014" or not NAME.fullmatch(name):
            raise BadNote("a signature line is an em dash, a name without space or plus, and a signature in base64")
        data = unbase64(encoded)
        if len(data) < 5:
            raise BadNote("a signature has a key id of 4 bytes, and more")
        return cls(name, data[:4], data[4:])


class Note(NamedTuple):
    """A text that ends with a newline, and who signed it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def read(cls, data: bytes | str) -> Self:
        """Raises BadNote."""
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > MAX_NOTE_BYTES or CONTROL.search(raw):
            raise BadNote("a note has at most a million bytes, and no control characters but newlines")
        try:
            text, empty, lines = raw.decode().rpartition("\n\n")
        except UnicodeDecodeError:
            raise BadNote("a note is UTF-8") from None
        if not empty or not text or not lines.endswith("\n"):
            raise BadNote("a note is a text, an empty line, and signatures, each line with its end")
        return cls(text + "\n", tuple(Signature.read(line) for line in lines[:-1].split("\n")))

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(one.line for one in self.signatures)}"


class VerifierKey(NamedTuple):
    """A public key, with the name that it signs under and the type of its signatures. In text: ``name+id+base64``."""

    name: str
    type: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.type]) + self.public).decode()}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises BadNote."""
        name, _, rest = text.partition("+")
        key_id, plus, encoded = rest.partition("+")
        data = unbase64(encoded) if plus else b""
        if not data or not NAME.fullmatch(name) or PUBLIC_BYTES.get(data[0]) != len(data) - 1:
            raise BadNote("a key is name+id+base64, of an Ed25519 key, its cosignatures, or an ML-DSA-44 key")
        key = cls(name, data[0], data[1:])
        if key.key_id.hex() != key_id:
            raise BadNote(f"the id of the key {name} should be {key.key_id.hex()}, not {key_id[:20]}")
        return key

    def matches(self, signature: Signature) -> bool:
        return (self.name, self.key_id) == (signature.name, signature.key_id)

    def verify(self, text: str, signature: bytes) -> int:
        """When it was signed, in seconds since 1970; 0 where the signature does not say. Raises BadNote."""
        plain = self.type == ED25519
        time, own = (0, signature) if plain else (int.from_bytes(signature[:TIME_BYTES]), signature[TIME_BYTES:])
        if len(own) != SIGNATURE_BYTES[self.type] or time >= 2**63:
            raise BadNote(f"the signature of {self.name} is cut short, or too long")
        try:
            message = signed_message(self.type, self.name, time, text)
            if self.type == ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(own, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(own, message)
        except (InvalidSignature, ValueError, OverflowError):
            raise BadNote(f"the signature of {self.name} is not of this text") from None
        return time


class SignerKey(NamedTuple):
    """A secret key: its seed of 32 bytes. In text: ``PRIVATE+KEY+name+id+base64``, as Go's note package has it."""

    name: str
    type: int
    seed: bytes

    def __repr__(self) -> str:
        return f"SignerKey({self.name!r})"  # never the seed

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.type, self._private.public_key().public_bytes_raw())

    @property
    def _private(self) -> Ed25519PrivateKey | MLDSA44PrivateKey:
        if self.type == ML_DSA_44:
            return MLDSA44PrivateKey.from_seed_bytes(self.seed)
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def encode(self) -> str:
        return (
            f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{b64encode(bytes([self.type]) + self.seed).decode()}"
        )

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises BadNote, without the text in its message."""
        parts = text.split("+", 4)
        data = unbase64(parts[4]) if len(parts) == 5 and parts[:2] == ["PRIVATE", "KEY"] else b""
        if len(data) != SEED_BYTES + 1 or data[0] not in PUBLIC_BYTES or not NAME.fullmatch(parts[2]):
            raise BadNote("a secret key is PRIVATE+KEY+name+id+base64, of Ed25519 or ML-DSA-44")
        key = cls(parts[2], data[0], data[1:])
        if key.verifier.key_id.hex() != parts[3]:
            raise BadNote(f"the id of the secret key of {key.name} is not the one that its key has")
        return key

    def sign(self, text: str, time: int) -> Signature:
        """Sign a text; ``time`` (seconds since 1970) is told where the type of signature tells it."""
        message = signed_message(self.type, self.name, time, text)
        told = b"" if self.type == ED25519 else time.to_bytes(TIME_BYTES)
        return Signature(self.name, self.verifier.key_id, told + self._private.sign(message))


def signed_message(type_: int, name: str, time: int, text: str) -> bytes:
    """What a key of this type signs, where it signs this text. An ML-DSA-44 cosignature is of checkpoints alone."""
    if type_ == ED25519:
        return text.encode()
    if type_ == ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    origin, size, root = text.split("\n")[:3]
    named = [len(one).to_bytes(1) + one for one in (name.encode(), origin.encode())]
    return b"".join([
        b"subtree/v1\n\0", named[0], time.to_bytes(8), named[1], (0).to_bytes(8), int(size).to_bytes(8), unbase64(root),
    ])  # fmt: skip


def verified(note: Note, keys: Iterable[VerifierKey]) -> dict[VerifierKey, int]:
    """Which of these keys have signed, and when. A signature of one of them that is wrong voids the note: raises BadNote."""
    return {key: key.verify(note.text, one.signature) for key in keys for one in note.signatures if key.matches(one)}


def unbase64(text: str) -> bytes:
    """Raises BadNote."""
    try:
        data = b64decode(text, validate=True)
    except (NoBase64, ValueError):
        raise BadNote("this is not base64") from None
    if b64encode(data).decode() != text:
        raise BadNote("this base64 has another form than the usual one")
    return data


def signed(text: str, keys: Sequence[SignerKey], time: int) -> Note:
    return Note(text, tuple(key.sign(text, time) for key in keys))
