"""A receipt: what was deleted, how much of it, up to when, by which rule and whom; signed, in the audit log."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from agent.core.keys import Alg, PublicKey, sig_structure, verify
from office import registry
from office.faults import OfficeFault

WHAT: Final = "retention.delete"
_SIGNATURE_HEX: Final = 128


@dataclass(frozen=True, slots=True)
class Receipt:
    """Of one class.

    Args:
        kept: the class.
        count: how many were deleted.
        until: what ended before this was due; UTC, ISO 8601.
        rule_days: how long the class is kept.
        by: who asked for it; `schedule` if nobody did.
    """

    kept: str
    count: int
    until: str
    rule_days: int
    by: str

    def signed(self, site: str) -> bytes:
        """What the office signs."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sig_structure(Alg.ED25519, f"menshen/1/deleted/{site}", text.encode())

    def enter(self, site: str, sign: Callable[[bytes], bytes]) -> None:
        """Put it into the audit log; belongs into the transaction that ends the deleting."""
        facts = {**asdict(self), "sig": sign(self.signed(site)).hex()}
        registry.note(self.by, WHAT, self.kept, json.dumps(facts, sort_keys=True, separators=(",", ":")))

    @classmethod
    def read(cls, why: str, site: str, key: PublicKey) -> "Receipt":
        """A receipt from the log, if the office signed it.

        Raises:
            OfficeFault: it is none, or somebody else's.
        """
        try:
            facts = json.loads(why)
            signature = bytes.fromhex(facts.pop("sig"))
            receipt = cls(**facts)
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise OfficeFault(f"found no receipt: {fault}") from fault
        if not verify(key, signature, receipt.signed(site)):
            raise OfficeFault("the receipt is not signed by this office")
        return receipt
