"""The style of the house, as far as a test can keep it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted(path for folder in ("ledger", "projections", "api") for path in (ROOT / folder).rglob("*.py"))
PURE = (
    "ledger.vocabulary", "ledger.errors", "ledger.recorded", "ledger.alike", "ledger.anomalies", "ledger.fold", "ledger.log.commitments", "ledger.log.batch", "ledger.proofs",
    "ledger.writing.admission", "ledger.writing.decision", "projections.segments", "projections.deltas", "projections.turns", "projections.changes",
    "projections.projection", "projections.registry", "projections.search.words",
    "api.pages.timeline", "api.formats",
)  # fmt: skip
WORLDLY = {
    "psycopg", "psycopg_pool", "fastapi", "starlette", "httpx", "httpx2", "requests", "socket", "random", "secrets",
    "time", "asyncio", "subprocess", "logging", "os", "uuid", "uuid6",
}  # fmt: skip
WORLDLY_CALLS = {
    "now", "today", "utcnow", "time", "time_ns", "monotonic", "perf_counter", "uuid1", "uuid4", "uuid7", "token_bytes",
    "urandom", "getenv", "environ", "connect", "sleep", "open", "print", "input",
}  # fmt: skip
MAX_LINES = 400

LAYERS = (
    ("ledger.errors", "ledger.vocabulary.edtf", "ledger.vocabulary.dates", "ledger.vocabulary.codes"),
    ("ledger.vocabulary",),
    ("ledger.proofs.merkle", "ledger.proofs.tiles"),
    ("ledger.proofs",),
    ("ledger.recorded", "ledger.settings", "ledger.process", "ledger.files"),
    ("ledger.alike", "ledger.anomalies"),
    ("ledger.fold",),
    ("ledger.history_cache",),
    ("ledger.database",),
    ("ledger.witness",),
    ("ledger.log",),
    ("ledger.writing",),
    ("ledger.library_recorder",),
    ("ledger.service",),
    ("projections",),
    ("api.pages.timeline", "api.pages.dates", "api.pages.words", "api.formats"),
    (
        "api.http.problems",
        "api.http.vocabulary_shapes",
        "api.http.shapes",
        "api.http.auth",
        "api.http.append_headers",
        "api.http.negotiation",
        "api.http.sharing",
        "api.http.times",
        "api.http.parameters",
        "api.http.lookup",
        "api.http.sharing",
        "api.http.response_cache",
    ),
    ("api.http", "api.transfer", "api.cli.terminal", "api.witness"),
    ("api.pages",),
    ("api.app",),
    ("api.mcp",),
    ("api.cli",),
    ("api.__main__",),
)
"""Each may import what stands on the lines above it, and what stands beside it."""


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


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def layer_of(module: str) -> int | None:
    """On which line a module stands: the one that names the innermost package that it is in. None where it is not ours."""
    found = [(len(name), number) for number, names in enumerate(LAYERS) for name in names if is_in(module, name)]
    return max(found)[1] if found else None


def test_the_checks_see_something() -> None:
    """The rules below are about files that there are, and would see an import where there is one."""
    assert {"ledger.service", "ledger.vocabulary.fact", "projections.segments", "api.app"} <= MODULES.keys()
    tree = ast.parse("def f():\n    import os.path\n    from ledger.vocabulary import fact\n")
    assert list(imports(tree)) == ["os.path", "ledger.vocabulary", "ledger.vocabulary.fact"]
    assert list(worldly(ast.parse("import psycopg\nfrom datetime import datetime\nx = datetime.now()\n"))) == [
        "psycopg", "now",
    ]  # fmt: skip
    assert layer_of("ledger.vocabulary.codes") == 0
    assert all(any(is_in(module, name) for module in MODULES) for names in LAYERS for name in names)
    assert all(any(is_in(module, name) for module in MODULES) for name in PURE)


def test_a_module_imports_what_is_below_or_beside_it() -> None:
    """No module imports from above: the ledger does not know that it is projected, nor projections who serves them."""
    for name, tree in MODULES.items():
        here = layer_of(name)
        assert here is not None or not tree.body, f"{name} has no layer: give it one"
        for imported in imports(tree):
            assert imported.split(".")[0] not in ("seeds", "benchmarks", "tests") or name.startswith("api.cli"), name
            there = layer_of(imported)
            assert there is None or here is None or there <= here, f"{name} imports {imported}"


def test_nothing_private_is_imported() -> None:
    """What begins with an underscore is used in its own module alone."""
    for name, tree in MODULES.items():
        private = [one for one in imports(tree) if one.rpartition(".")[2].startswith("_") and layer_of(one) is not None]
        assert private == [] or private == ["api.__main__"], name


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


def test_rules_are_pure() -> None:
    """Facts and rules touch no clock, no chance, no environment, no database: what they need are arguments."""
    for name, tree in MODULES.items():
        if any(is_in(name, one) for one in PURE):
            assert list(worldly(tree)) == [], name


def test_every_file_says_what_it_is_for() -> None:
    """Every file that has something in it starts by saying what for."""
    assert [name for name, tree in MODULES.items() if tree.body and not ast.get_docstring(tree)] == []


def test_files_are_as_long_as_their_idea() -> None:
    """No file is so long that it must be about two things."""
    assert [str(path) for path in FILES if len(path.read_text().splitlines()) > MAX_LINES] == []


def test_tests_are_sentences() -> None:
    """Every test states its promise in a sentence."""
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                said = ast.get_docstring(node) or ""
                assert said[-1:] == ".", f"{path.name}: {node.name} does not say what it promises"
