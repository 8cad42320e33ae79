"""Settings, from the environment and nowhere else, read once."""

import math
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, LiteralString, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ledger.errors import Misconfigured

Text = TypeVar("Text", str, SecretStr)


def _made_of(pattern: str, told: LiteralString) -> AfterValidator:
    """A text that matches, and in words what that is."""

    def check(value: Text) -> Text:
        if not re.fullmatch(pattern, value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise PydanticCustomError("made_of", told)
        return value

    return AfterValidator(check)


SchemaName = Annotated[
    str, _made_of("[a-z][a-z0-9_]{0,40}", "give a small letter, then up to 40 small letters, digits and underscores")
]
LedgerName = Annotated[
    str, _made_of("[a-z0-9][a-z0-9-]{0,99}", "give up to 100 small letters, digits and dashes, and begin with no dash")
]
ADDRESS = "http://127.0.0.1:8000"
Address = Annotated[
    str,
    _made_of(
        r"https?://[a-zA-Z0-9.\-\[\]:]{1,255}(/[a-zA-Z0-9._~\-]{1,63}){0,5}",
        "give the address of the service as https://ledger.example.org, with no slash at its end",
    ),
]
SERVICE, SUCH_A_SERVICE = (
    r"(?i:https?)://[^\s/?#@]{1,253}(/[^\s?#]{0,250})?",
    "give the address of a service, such as https://ledger.example.org",
)
Service = Annotated[str, _made_of(SERVICE, SUCH_A_SERVICE)]
"""The address of a service that is asked, as it is reached from here."""
ORIGIN = r"[^\s+]{1,200}"
Origin = Annotated[
    str, _made_of(ORIGIN, "give a name such as ledger.example.org/partnerships, without spaces or plus signs")
]
AdminKey = Annotated[
    SecretStr, _made_of("[!-~]{16,500}", "give 16 to 500 letters, digits and signs of ASCII, and no space")
]
ACTOR_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
"""What whoever records can be called: the holder of a key, or a name that is given on the machine itself."""


def _networks(given: object) -> object:
    return [one.strip() for one in given.split(",") if one.strip()] if isinstance(given, str) else given


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
SessionSecret = Annotated[
    SecretStr, _made_of("[!-~]{32,500}", "give 32 to 500 letters, digits and signs of ASCII, and no space")
]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


@dataclass(frozen=True)
class Timeouts:
    """How long the server lets one of our sessions wait for a lock, work on a statement, and stand idle in a transaction.

    In seconds; 0 is without end.
    """

    lock_s: float = 5.0
    statement_s: float = 30.0
    idle_in_transaction_s: float = 30.0

    @property
    def answer_s(self) -> float:
        """How long we wait for an answer: past this it is not the server that is slow, the answer was lost on its way."""
        return 2 * self.statement_s or math.inf


USUAL = Timeouts()


class Settings(BaseSettings):
    """Each field is the variable ``LEDGER_`` and its name, in capitals."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_", frozen=True, extra="ignore", hide_input_in_errors=True)

    dsn: SecretStr | None = None
    """The service's own role; absent, the embedded server under ``data`` is used."""
    owner_dsn: SecretStr | None = None
    """The role that owns the schema: for `ledger migrate` alone."""
    data: Path = Path("ledger-data")
    schema_: SchemaName = Field(default="ledger", alias="LEDGER_SCHEMA")
    name: LedgerName = "partnerships"
    address_: Address | None = Field(default=None, alias="LEDGER_ADDRESS")
    """Where the service is reached from outside; absent, on this machine at its port."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    admin_key: AdminKey | None = None
    session_secret: SessionSecret | None = None
    """What the cookies of those who sign in on pages are encrypted with; absent, made anew at each start. Services that stand
    behind one address share it."""
    public_reads: bool = False
    public_names: bool = False
    """Whether everybody who may read sees the names of persons, and not auditors and admins alone."""
    lock_timeout_s: Seconds = USUAL.lock_s
    statement_timeout_s: Seconds = USUAL.statement_s
    idle_in_transaction_timeout_s: Seconds = USUAL.idle_in_transaction_s
    read_timeout_s: Seconds = 5.0
    """How long the database works on a question of a reader, where that is less than what all statements have."""
    append_deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 10.0
    """When an append is answered that its outcome is not known, whatever the database does."""
    log_key: Path | None = None
    """The file with the keys that sign the log; who has it signs, and keeps the anchor beside it."""
    origin: Origin | None = None
    """The log's name on its checkpoints, for the key that is made."""
    checkpoint_interval: Annotated[float, Field(ge=0.05, le=86_400)] = 1.0
    """In seconds: at most so often the tree is signed."""
    witnesses: Path | None = None
    """A policy that names the witnesses to which checkpoints are offered."""
    key: SecretStr | None = None
    """An API key, with which a command asks a service."""
    url: Annotated[Service | None, BeforeValidator(lambda given: given or None)] = None
    """The address of a service, which commands that read or append ask in place of a database."""
    webhook_key: Path | None = None
    """The file with the key that the secrets of webhooks are made of; who has it signs and delivers."""
    webhook_http: bool = False
    """Whether webhooks may go over http, for tests and development."""
    webhook_networks: Networks = ()
    """Networks to which webhooks may go though they are not public, such as 10.1.0.0/16, with commas between."""
    clock_tolerance: Annotated[float, Field(ge=0.1, le=86_400)] = 5.0
    """How many seconds the server's clock and ours may be apart."""

    @property
    def address(self) -> str:
        """Where the service is reached: entries tell there of what schema they are, and permalinks lead there."""
        return self.address_ or f"http://127.0.0.1:{self.port}"

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts(self.lock_timeout_s, self.statement_timeout_s, self.idle_in_transaction_timeout_s)


def read_settings() -> Settings:
    """Raises Misconfigured, naming the variable that is wrong; values are not shown, as one may be a secret."""
    try:
        return Settings()
    except ValidationError as error:
        from ledger.vocabulary.wording import faults_of  # all of the vocabulary: loaded where something is wrong alone

        faults = faults_of(error.errors(), lambda one: f"LEDGER_{str(one['loc'][0]).removeprefix('LEDGER_').upper()}")
        wrong = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults)
        raise Misconfigured(f"a setting is not as it must be: {wrong}") from None
