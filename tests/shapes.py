"""The shape of everything that is stored, as JSON Schema, and whether a line that fitted it may no longer.

``python -m tests.shapes`` adds to the golden files what is new, and changes nothing that stands in them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.log.entry import read_line
from ledger.vocabulary.fact import Fact
from ledger.vocabulary.registry import FACTS
from tests.minimal import FULL, MINIMAL, SUBJECTS, make, stamp

GOLDEN = Path(__file__).parent / "golden"
SHAPES = GOLDEN / "shapes.json"
Shapes = dict[str, Any]
PROSE = ("title", "description")


def shapes_of(facts: dict[str, type[Fact]]) -> Shapes:
    """The JSON Schema of each version of each type, by dataschema, and of the parts that they are made of, by name.

    What all facts have in common stands with Fact alone.
    """
    common = _plain(Fact.model_json_schema())
    shapes: Shapes = {"Fact": common, **common.pop("$defs")}
    for dataschema, shape in [one for fact in facts.values() for one in fact.schemas.items()]:
        own = _plain(shape.model_json_schema())
        for name, part in own.pop("$defs").items():
            assert shapes.setdefault(name, part) == part, f"two parts are named {name}"
        fields = own["properties"].items()
        own["properties"] = {name: one for name, one in fields if one != common["properties"].get(name)}
        shapes[dataschema] = own
    return shapes


def _plain(value: Any) -> Any:
    """A schema without its prose."""
    if isinstance(value, dict):
        prose = [name for name in PROSE if isinstance(value.get(name), str)]
        return {name: _plain(one) for name, one in value.items() if name not in prose}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def narrowed(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """Where what fitted one schema may not fit another, or be read otherwise: there the shape has changed."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        if old != new:
            yield at
        return
    for name in sorted(old.keys() | new.keys()):
        was: Any = old.get(name)
        now: Any = new.get(name)
        match name:
            case "properties":
                yield from (found for one in was for found in narrowed(was[one], now.get(one), f"{at}/{one}"))
            case "required":
                yield from (f"{at}/{one}" for one in set(now or ()) - set(was or ()))
            case "enum":
                yield from [at] if now is not None and (was is None or {*was} - {*now}) else []
            case "anyOf":
                yield from (at for one in was or () if all([*narrowed(one, other)] for other in now or ()))
            case "minItems" | "minLength" | "minimum":
                yield from [at] if now is not None and (was is None or now > was) else []
            case "maxItems" | "maxLength" | "maximum":
                yield from [at] if now is not None and (was is None or now < was) else []
            case "default" if name not in old:
                pass
            case _:
                yield from narrowed(was, now, at)


def kept_shapes() -> Shapes:
    kept: Shapes = json.loads(SHAPES.read_text())
    return kept


def changed(kept: Shapes, shapes: Shapes) -> list[str]:
    return [at for name in kept for at in narrowed(kept[name], shapes.get(name), name)]


def kept_lines(kind: str) -> list[bytes]:
    """A line of each type and version, the smallest and the fullest, without its position and time."""
    return (GOLDEN / f"{kind}.ndjson").read_bytes().splitlines()


def told_by(line: bytes) -> str:
    """What a kept line is read as."""
    fact = read_line(stamp(line, 42)).fact()
    return json.dumps({"type": fact.type, **fact.model_dump(mode="json", exclude_defaults=True)}, ensure_ascii=False)


def kept_facts(kind: str) -> list[str]:
    """What each of them is to be read as."""
    return (GOLDEN / f"{kind}.facts.ndjson").read_text().splitlines()


def _add() -> None:
    shapes = shapes_of(dict(FACTS))
    if SHAPES.exists() and (found := changed(kept_shapes(), shapes)):
        raise SystemExit(f"a changed shape is a new version (see CONTRIBUTING.md): {', '.join(found)}")
    SHAPES.write_text(
        "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in shapes.items()) + "\n}\n"
    )
    for kind in SUBJECTS:
        examples = [one[type_] for type_ in FACTS for one in (MINIMAL, FULL) if type_.startswith(f"{kind}.")]
        lines = list(dict.fromkeys([*kept_lines(kind), *(make(one).line() for one in examples)]))
        facts = kept_facts(kind) if (GOLDEN / f"{kind}.facts.ndjson").exists() else []
        facts += [told_by(line) for line in lines[len(facts) :]]
        (GOLDEN / f"{kind}.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
        (GOLDEN / f"{kind}.facts.ndjson").write_text("".join(f"{fact}\n" for fact in facts))


if __name__ == "__main__":
    _add()
