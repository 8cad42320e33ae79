"""The style of the house, as far as a test can keep it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for folder in ("ledger", "projections", "api") for path in (ROOT / folder).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
PURE = {
    "ledger.dates", "ledger.codes", "ledger.errors", "ledger.history", "ledger.admission", "ledger.disclosure",
    "ledger.decision", "ledger.batch",
    "projections.segments", "projections.rows",
}  # fmt: skip
WORLDLY = {
    "psycopg", "psycopg_pool", "fastapi", "starlette", "httpx", "httpx2", "requests", "socket", "random", "secrets",
    "time", "asyncio", "subprocess", "logging", "os", "uuid", "uuid6",
}  # fmt: skip
WORLDLY_CALLS = {
    "now", "today", "utcnow", "time", "time_ns", "monotonic", "perf_counter", "uuid1", "uuid4", "uuid7", "token_bytes",
    "urandom", "getenv", "environ", "connect", "sleep", "open", "print", "input",
}  # fmt: skip
MAX_LINES = 450

# Who stands on whom: each line may import what stands on the lines above it, and what stands beside it.
HOUSE = [
    {"dates", "codes", "errors"},
    {"facts"},
    {"history"},
    {"admission", "disclosure"},
    {"entry", "draft"},
    {"failures", "postgres", "epoch", "clocks", "process", "settings", "decision", "batch"},
    {"decision_cache", "pending"},
    {"committer"},
    {"writer"},
    {"recorder"},
    {"service"},
]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): ast.parse(path.read_text()) for path in FILES}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in a file, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(module: str) -> int | None:
    """On which line of the house a module of the ledger stands."""
    parts = module.split(".")
    if parts[0] != "ledger" or len(parts) < 2:
        return None
    return next((number for number, names in enumerate(HOUSE) if parts[1] in names), None)


def modules(package: str) -> list[str]:
    return [name for name in MODULES if name.split(".")[0] == package]


def test_the_checks_see_something() -> None:
    """The rules below are about files that there are, and would see an import where there is one."""
    assert {"ledger.service", "ledger.facts.base", "projections.segments", "api"} <= MODULES.keys()
    tree = ast.parse("def f():\n    import os.path\n    from ledger.facts import base\n")
    assert list(imports(tree)) == ["os.path", "ledger.facts", "ledger.facts.base"]
    assert list(worldly(ast.parse("import psycopg\nfrom datetime import datetime\nx = datetime.now()\n"))) == [
        "psycopg", "now",
    ]  # fmt: skip


@pytest.mark.parametrize("name", modules("ledger"))
def test_the_house_of_the_ledger(name: str) -> None:
    """A module imports from below or beside it, never from above."""
    here = floor_of(name)
    if name == "ledger":
        assert list(imports(MODULES[name])) == []
        return
    assert here is not None, f"{name} has no place in the house: give it one"
    for imported in imports(MODULES[name]):
        there = floor_of(imported)
        assert there is None or there <= here, f"{name} imports {imported}"


@pytest.mark.parametrize("name", ["ledger.dates", "ledger.codes", "ledger.errors"])
def test_the_ground_floor(name: str) -> None:
    """Dates, codes and errors stand on nothing of the ledger but each other."""
    ours = {imported for imported in imports(MODULES[name]) if imported.startswith("ledger")}
    assert all(floor_of(imported) == 0 for imported in ours)


@pytest.mark.parametrize("name", modules("ledger") + modules("projections"))
def test_nobody_imports_the_api(name: str) -> None:
    """The API is where everything is put together; nothing else knows of it."""
    assert [one for one in imports(MODULES[name]) if one.split(".")[0] in ("api", "seeds", "benchmarks", "tests")] == []


@pytest.mark.parametrize("name", modules("ledger"))
def test_the_write_side_knows_no_read_side(name: str) -> None:
    """The ledger does not know that it is projected."""
    assert [one for one in imports(MODULES[name]) if one.split(".")[0] == "projections"] == []


@pytest.mark.parametrize("name", modules("projections"))
def test_the_read_side_stands_on_the_ledger(name: str) -> None:
    """Projections import, of what is ours, only the ledger and each other; and of it no private name."""
    for imported in imports(MODULES[name]):
        assert imported.split(".")[0] not in ("api", "seeds", "benchmarks", "tests")
        assert not (imported.startswith("ledger.") and imported.rpartition(".")[2].startswith("_"))


def worldly(tree: ast.AST) -> Iterator[str]:
    """Clocks, chance, the environment, the database, as far as a file touches them."""
    for imported in imports(tree):
        if imported.split(".")[0] in WORLDLY:
            yield imported
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else node
        if isinstance(called, ast.Attribute) and called.attr in WORLDLY_CALLS and _is_of_the_world(called):
            if isinstance(node, ast.Call):
                yield called.attr
        elif isinstance(called, ast.Name) and isinstance(node, ast.Call) and called.id in WORLDLY_CALLS:
            yield called.id


def _is_of_the_world(called: ast.Attribute) -> bool:
    """``datetime.now()`` is; ``state.now`` and a method of our own are not."""
    return isinstance(called.value, ast.Name) and called.value.id in (
        "datetime",
        "date",
        "time",
        "os",
        "uuid",
        "random",
    )


@pytest.mark.parametrize("name", [name for name in MODULES if name in PURE or name.startswith("ledger.facts")])
def test_rules_are_pure(name: str) -> None:
    """Facts and rules touch no clock, no chance, no environment, no database: what they need are arguments."""
    assert list(worldly(MODULES[name])) == []


def test_all_the_pure_ones_are_there() -> None:
    """The list of pure modules names none that has gone."""
    assert MODULES.keys() >= PURE


@pytest.mark.parametrize("name", [name for name, tree in MODULES.items() if tree.body])
def test_every_file_says_what_it_is_for(name: str) -> None:
    """Every file that has something in it starts by saying what for."""
    assert ast.get_docstring(MODULES[name])


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_are_as_long_as_their_idea(path: Path) -> None:
    """No file is so long that it must be about two things."""
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("test_*.py")), ids=lambda path: path.name)
def test_tests_are_sentences(path: Path) -> None:
    """Every test states its promise in a sentence."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            said = ast.get_docstring(node) or ""
            assert said[-1:] == ".", f"{node.name} does not say what it promises"
