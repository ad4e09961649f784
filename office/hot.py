"""What can't wait for the next list: passes that were suspended or revoked since, or whose phone was lost.

The registry says who is denied; whoever the newest list does not deny by
itself goes into rv/hot. So an rv/hot is never longer than what happened since
the list, and a list that says it all empties it again.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db.models import Q
from tuf.api.exceptions import RepositoryError

from agent.core.allowlist import Allowlist, Head, ListFault, Status
from office import phones, repository
from office.differences import hearing
from office.faults import OfficeFault
from office.keyring import Keyring
from office.models import Pass, PassState
from office.repository_files import part_path

_DENIED: Final = {PassState.SUSPENDED: Status.SUSPENDED, PassState.REVOKED: Status.REVOKED}


def beyond(head: Head, parts: Mapping[bytes, bytes], repo_dir: Path, now: datetime) -> dict[bytes, Status]:
    """Whom rv/hot must deny beside a list.

    Args:
        parts: those of the list's parts that are not in the repository yet.
    Raises:
        OfficeFault: the repository is damaged.
    """

    def fetch(digest: bytes) -> bytes | None:
        return parts[digest] if digest in parts else (repo_dir / part_path(digest)).read_bytes()

    listed = Allowlist(head, math.inf, fetch)
    told: dict[bytes, Status] = {}
    stopped = Q(state__in=_DENIED) | phones.LOST_ITS_KEY
    denied = Pass.objects.filter(stopped, not_after__gt=now).exclude(approved_by="")
    try:
        for pass_id, state in denied.values_list("pass_id", "state"):
            status = _DENIED.get(PassState(state), Status.SUSPENDED)
            grant = listed.find(bytes.fromhex(pass_id))
            if grant is None or grant.status < status:
                told[bytes.fromhex(pass_id)] = status
    except (OSError, ListFault) as fault:
        raise OfficeFault(f"the repository {repo_dir} is damaged: {fault}; publish again") from fault
    return told


def tell(repo_dir: Path, trust_dir: Path, keyring: Keyring, now: datetime) -> repository.Published:
    """Publish rv/hot as the registry has it at this moment; the list stays as it is.

    Raises:
        OfficeFault: nothing is published yet, or as for repository.publish.
    """
    hearing.hear()
    if not repository.last_number(repo_dir):
        raise OfficeFault(f"found no list in {repo_dir}; publish one first")
    hearing.must_not_be_behind(repository.last_number(repo_dir))
    try:
        head = repository.newest_head(repo_dir)
    except (OSError, ValueError, KeyError, RepositoryError) as fault:
        raise OfficeFault(f"the repository {repo_dir} is damaged: {fault}; publish again") from fault
    denied = beyond(head, {}, repo_dir, now)
    return repository.renew(repo_dir, trust_dir, keyring, now.timestamp(), denied)
