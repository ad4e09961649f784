"""The office's keys made anew, because somebody else may have them.

They are made beside those in use, so that the office goes on until the offline keys have signed for them. Then
they take their place, and every code that still opens is another one: at gates that have the next list, what
the old issuer signed is forged.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from office.faults import OfficeFault
from office.files import sync_directory
from office.keyring import Keyring, names
from office.models import Pass, PassState
from office.repository import Trust


def make(in_use: Path, beside: Path, public: Mapping[str, Any]) -> dict[str, Any]:
    """Make them, or find those made before; what the ceremony is to sign, with them in the old ones' place.

    Args:
        public: office-public.json as it is; the keys of other people who sign lists stay in it.
    Raises:
        OfficeFault: they can't be made, or that file names neither the keys in use nor the new ones.
    """
    old = Keyring.load(in_use)
    new = Keyring.load(beside) if beside.exists() else Keyring.make(beside)
    roles = {}
    for role, listed in public["roles"].items():
        before, after = (ring.signers[role].public_key.keyval["public"] for ring in (old, new))
        if not {before, after} & {one["key"] for one in listed["keys"]}:
            raise OfficeFault(
                f"found another office's key for the role {role} in office-public.json, wanted this one's; "
                "restore it from the backup"
            )
        keys = [{**one, "key": after} if one["key"] == before else one for one in listed["keys"]]
        roles[role] = {**listed, "keys": keys}
    return {**public, "roles": roles}


def take(in_use: Path, beside: Path, trust: Trust) -> list[Pass]:
    """Put them in the old ones' place; safe to repeat when it was interrupted.

    Args:
        trust: what the ceremony signed.
    Returns:
        The printed passes that still open, whose codes are others from now on. One that is suspended has no
        code to print until it is resumed.
    Raises:
        OfficeFault: there are none, or the ceremony has not signed for them.
    """
    waiting = {path.stem for path in beside.glob("*.pem")}
    if not waiting:
        raise OfficeFault(f"found no new keys in {beside}; make them first: menshen-office new-keys")
    printed: list[Pass] = []
    if waiting >= set(names()):  # nothing has been moved yet
        _signed_for(Keyring.load(beside), trust)
        held = Pass.objects.filter(state=PassState.LIVE, on_phone=False, person__key__isnull=False)
        printed = list(held.order_by("pk"))
    for name in sorted(waiting):
        (beside / f"{name}.pem").replace(in_use / f"{name}.pem")
    sync_directory(in_use)
    beside.rmdir()
    return printed


def _signed_for(new: Keyring, trust: Trust) -> None:
    for role, signer in new.signers.items():
        delegator = trust.root.signed if role in trust.root.signed.roles else trust.targets.signed
        if signer.public_key.keyid not in delegator.get_delegated_role(role).keyids:
            raise OfficeFault(
                f"the ceremony has not signed for the new key of the role {role}; "
                "run `menshen-firmware keys rotate` with --office and this home's office-public.json"
            )
