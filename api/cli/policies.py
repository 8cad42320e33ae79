"""Policies in files: whose signatures make a checkpoint count."""

from pathlib import Path

from ledger.errors import Misconfigured, in_words
from ledger.proofs.policy import BadPolicy, Policy


def read_policy(path: Path) -> Policy:
    """Raises Misconfigured."""
    try:
        return Policy.read(path.expanduser().read_bytes())
    except OSError as error:
        raise Misconfigured(f"the policy cannot be read: {in_words(error)}") from None
    except BadPolicy as error:
        raise Misconfigured(f"the policy {path}: {error}") from None
