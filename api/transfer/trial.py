"""What an import would do, tried event by event on the ledger as it is, and recorded nowhere."""

from collections.abc import Iterator, Sequence

from ledger.errors import Refused, TooLarge
from ledger.recorded import UNRECORDED
from ledger.service import Ledger
from ledger.writing.decision import Actor, Answer, Given, Request
from ledger.writing.draft import Draft


def tried(
    ledger: Ledger, drafts: Sequence[Draft], actor: Actor, *, strict: bool
) -> Iterator[Answer | Refused | TooLarge]:
    """What an append of each draft by itself would answer, or why it would be refused: each after those before it.

    The drafts have ids. Raises Unavailable.
    """
    events = [Given(draft.id, draft, sought=True) for draft in drafts if draft.id]
    context = ledger.context(Request(events, actor))
    for position, event in enumerate(events, UNRECORDED):
        try:
            [(answer, new)] = ledger.decider.decide(context, Request([event], actor, strict=strict), position)
        except (Refused, TooLarge) as error:
            yield error
            continue
        if new:  # a later line may give it again
            context.entries[event.entry_id] = new.entry._replace(position=position)
            context.disclosures[event.entry_id] = [*new.entry.disclosures]
        yield answer
