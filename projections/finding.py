"""What an audit finds."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that does not hold, and the position in the log where it shows; 0 where no entry is to blame."""

    position: int
    what: str
