"""What is sent to webhooks, for the reference: nothing here is served."""

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from api.http.vocabulary_shapes import ref

router = APIRouter(tags=["live"])
CLOUDEVENT = "application/cloudevents+json"


@router.post(
    "entry",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "Taken: any 2xx. Whatever else is answered, it is sent again later; after 410 no more"}
    },
    openapi_extra={"requestBody": {"required": True, "content": {CLOUDEVENT: {"schema": ref("Event")}}}},
)
def entry(
    webhook_id: Annotated[str, Header(description="The entry's id, the same whenever it is sent again")],
    webhook_timestamp: Annotated[int, Header(description="When it was sent, in seconds since 1970")],
    webhook_signature: Annotated[
        str, Header(description="Standard Webhooks 1.0: `v1,` and HMAC-SHA256 in base64; several, with spaces between")
    ],
    ledger_epoch: Annotated[str, Header(description="The ledger's epoch")],
) -> None:
    """Each entry that a webhook wants, once it is recorded: its line as it is stored, in the order of the log, at least once. Add
    one with `ledger webhooks add`. Where the ledger was rolled back, an event of the type `ledger.rolled_back` comes first."""
