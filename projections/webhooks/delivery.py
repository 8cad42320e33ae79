"""One message to one receiver: signed, sent within bounds, and what came of it."""

from collections.abc import Iterable
from time import time
from typing import NamedTuple

from pydantic_core import to_json

from ledger.errors import Invalid
from ledger.witness.post import NoAnswer, Post
from projections.feed import Line
from projections.webhooks.addresses import Allowed, Target, reach_of, target_of
from projections.webhooks.signing import signatures
from projections.webhooks.subscriptions import Webhook

TIMEOUT_S = 5.0
"""For one message, from connecting to the end of the answer."""
CLOUDEVENT = "application/cloudevents+json"
GONE = 410


class Message(NamedTuple):
    """What is sent. Who gets the same ``id`` again has got the same message again."""

    id: str
    body: str


class Outcome(NamedTuple):
    """``trouble`` is why the receiver has not taken a message, empty where it has; ``gone``: it wants no more of them."""

    trouble: str = ""
    gone: bool = False


class Receiver:
    """A connection to a receiver, kept open between messages. For one thread."""

    def __init__(self, webhook: Webhook, secrets: Iterable[bytes], allowed: Allowed) -> None:
        """Raises Invalid where its address is not allowed any more."""
        self.secrets, self.epoch = list(secrets), webhook.current_epoch
        self.target: Target = target_of(webhook.url, allowed)
        self.post = Post(self.target.origin, TIMEOUT_S, reach_of(allowed.networks))

    def send(self, message: Message) -> Outcome:
        now = int(time())
        headers = {
            "Content-Type": CLOUDEVENT, "User-Agent": "partnership-ledger", "Ledger-Epoch": self.epoch,
            "webhook-id": message.id, "webhook-timestamp": str(now),
            "webhook-signature": signatures(self.secrets, message.id, now, message.body),
        }  # fmt: skip
        try:
            answer = self.post.ask("POST", self.target.path, message.body, headers)
        except NoAnswer as error:
            return Outcome(str(error))
        if 200 <= answer.status < 300:
            return Outcome()
        return Outcome(f"it answers {answer.words}", answer.status == GONE)


def entry(line: Line) -> Message:
    """An entry, as it is stored."""
    return Message(line.entry_id, line.text)


def rolled_back(webhook: Webhook, source: str) -> Message:
    """That what was sent before may not be in the ledger any more, and where it goes on."""
    data = {"epoch": webhook.current_epoch, "before": webhook.epoch, "after": webhook.position if webhook.stands else 0}
    return _of_the_ledger(f"rolled-back-{webhook.current_epoch}", source, "ledger.rolled_back", data)


def trial(webhook: Webhook, source: str, message_id: str) -> Message:
    """A message that tells nothing, to try a receiver with."""
    return _of_the_ledger(message_id, source, "ledger.webhook_test", {"webhook": webhook.name})


def _of_the_ledger(message_id: str, source: str, type_: str, data: dict[str, object]) -> Message:
    told = {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "type": type_,
        "datacontenttype": "application/json",
    }
    return Message(message_id, to_json({**told, "data": data}).decode())


def try_out(webhook: Webhook, secrets: Iterable[bytes], allowed: Allowed, message: Message) -> Outcome:
    """Send one message over a connection of its own."""
    try:
        return Receiver(webhook, secrets, allowed).send(message)
    except Invalid as error:
        return Outcome(str(error))
