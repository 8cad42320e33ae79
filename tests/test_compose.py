"""docker-compose.yml: its shape, as images are built elsewhere."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger.settings import Settings

PROJECT = Path(__file__).parents[1]
FILE = PROJECT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def test_it_follows_the_compose_specification() -> None:
    """The file is valid against the specification's own schema."""
    # when
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # then
    assert done.returncode == 0, done.stdout + done.stderr


def test_postgres_keeps_its_data_in_a_volume(services: dict[str, Any]) -> None:
    """The database is PostgreSQL 18, and its files outlive the container."""
    postgres = services["postgres"]
    assert postgres["image"] == "postgres:18"
    assert postgres["volumes"] == ["postgres:/var/lib/postgresql"]
    assert "ports" not in postgres


def test_everything_that_runs_has_a_health_check(services: dict[str, Any]) -> None:
    """Postgres, service and follower each say whether they are well; the migration runs once, to its end."""
    assert {name for name, service in services.items() if "healthcheck" in service} == {"postgres", "api", "follower"}
    assert services["follower"]["depends_on"]["key"]["condition"] == "service_completed_successfully"
    for name in ("api", "follower"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_settings_are_those_of_the_service(services: dict[str, Any]) -> None:
    """Every LEDGER_ variable in a container is a setting, and secrets come from outside."""
    known = {f"LEDGER_{name.rstrip('_').upper()}" for name in Settings.model_fields}
    for name in ("migrate", "api", "follower"):
        environment = services[name]["environment"]
        assert environment.keys() <= known
        assert "${LEDGER_PASSWORD:?}" in environment["LEDGER_DSN"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "${LEDGER_OWNER_PASSWORD:?}"
    assert services["api"]["environment"]["LEDGER_ADMIN_KEY"] == "${LEDGER_ADMIN_KEY:?}"


def test_only_the_follower_has_the_key(services: dict[str, Any]) -> None:
    """It signs, and its key lies in a volume that neither the database nor the service has."""
    assert {name for name, one in services.items() if "keys:/keys" in one.get("volumes", ())} == {"key", "follower"}
    assert {name for name, one in services.items() if "LEDGER_LOG_KEY" in one["environment"]} == {"key", "follower"}


def test_only_the_migration_knows_the_owner(services: dict[str, Any]) -> None:
    """The service and the follower run with the role that can add and never change."""
    assert "LEDGER_OWNER_DSN" in services["migrate"]["environment"]
    assert all("LEDGER_OWNER_DSN" not in services[name]["environment"] for name in ("api", "follower"))


def test_the_service_is_reached_from_this_machine_alone(services: dict[str, Any]) -> None:
    """The port is published on loopback, and the commands are the ledger's own."""
    assert services["api"]["ports"] == ["127.0.0.1:${LEDGER_PORT:-8000}:8000"]
    commands = [services[name]["command"] for name in ("migrate", "api", "follower")]
    assert commands == [["ledger", "migrate"], ["ledger", "serve"], ["ledger", "follow"]]
