"""Settings, from the environment and nowhere else, read once."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger.errors import Misconfigured

SchemaName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
LedgerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]


class Settings(BaseSettings):
    """Each field is the variable ``LEDGER_`` and its name, in capitals."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_", frozen=True, extra="ignore")

    dsn: SecretStr | None = None
    """The service's own role; absent, the embedded server under ``data`` is used."""
    owner_dsn: SecretStr | None = None
    """The role that owns the schema: for `ledger migrate` alone."""
    data: Path = Path("ledger-data")
    schema_: SchemaName = Field(default="ledger", alias="LEDGER_SCHEMA")
    name: LedgerName = "partnerships"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    admin_key: Annotated[SecretStr, Field(min_length=16)] | None = None
    public_reads: bool = False


def read_settings() -> Settings:
    """Raises Misconfigured, naming the variable that is wrong; values are not shown, as one may be a secret."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"LEDGER_{str(one['loc'][0]).removeprefix('LEDGER_').upper()}: {one['msg']}" for one in error.errors()
        )
        raise Misconfigured(f"a setting is not as it must be: {wrong}") from None
