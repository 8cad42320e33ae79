"""`ledger evidence`: a state with all that it rests on and what proves it, as one file for others."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.asking import reading
from api.cli.reading import KnownAt, TheSubject, ValidAt, read_asked, read_subject
from api.cli.terminal import say
from api.transfer.evidence import files_of, write_zip
from api.transfer.evidence_case import Case, gather


def evidence(
    subject: TheSubject,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write.", metavar="FILE.zip", dir_okay=False)
    ],
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    with_names: Annotated[
        bool, typer.Option("--with-names", help="Tell the names of persons, and what opens their commitments.")
    ] = False,
) -> None:
    with reading() as reads:
        case = gather(reads, read_subject(subject), read_asked(known_at, valid_at), with_names=with_names)
    write_zip(output, files_of(case))
    _tell(case, output)


def _tell(case: Case, output: Path) -> None:
    at, basis = case.checkpoint, case.basis
    cosigned = sorted({one.name for one in case.signed if one.name != at.origin})
    say(f"{output}: {case.document['subject']} on {basis.valid_at}, as known up to entry {basis.known_at:,}", "green")
    say(
        f"its {len(case.lines):,} entries are in the tree of {at.size:,} that {at.origin} signed, "
        f"cosigned by {', '.join(cosigned) or 'no witness'}"
    )
    if case.opened is not None:
        say(f"it tells {sum(map(len, case.opened.values())):,} names of persons: pass it on with care")
