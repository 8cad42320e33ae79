"""What an audit finds."""

from typing import NamedTuple

MEND = ": run `ledger rebuild`"
LINE, STREAM, UNPROJECTED, TABLE = range(4)
"""What is found of entries by themselves, of their streams, of streams that are not compared, and of rows: the tables are told apart
by what follows."""


class Finding(NamedTuple):
    """Something that does not hold, and the position in the log where it shows; 0 where no entry is to blame."""

    position: int
    what: str


class Found(NamedTuple):
    """A finding, and its sort: so they are told, by sort and then by position."""

    sort: int
    position: int
    what: str

    @property
    def finding(self) -> Finding:
        return Finding(self.position, self.what)
