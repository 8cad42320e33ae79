"""The projections that there are. One more is a folder beside these, and a line here."""

from projections.due.projection import DueItems
from projections.flags.projection import Flags
from projections.projection import Projection
from projections.search.projection import Search
from projections.states.projection import States
from projections.timeline.projection import Timeline

PROJECTIONS: tuple[Projection, ...] = (States(), Timeline(), Search(), DueItems(), Flags())
