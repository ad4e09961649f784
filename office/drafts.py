"""A list that waits for its second signature.

At a two-person site nobody publishes alone: one drafts a list and signs it,
another looks at what it is and signs it too, with a key that the first has
not got. The draft is a small directory: the signed role, and the parts that
the repository lacks. Until it is complete no gate hears of it, and a gate
counts the signatures itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, Targets
from tuf.api.serialization.json import JSONSerializer

from agent.core.allowlist import HEAD_TARGET, Head, ListFault, Status
from agent.core.hot import Denials
from office import repository
from office.faults import OfficeFault
from office.files import write_whole
from office.keyring import Keyring
from office.repository_files import new_parts, target_path, versions, write_all

_COMPACT: Final = JSONSerializer(compact=True)


@dataclass(frozen=True, slots=True)
class Draft:
    """A list that was signed by somebody.

    Args:
        role: as signed so far.
        parts: those that came with it, by SHA-256.
    """

    folder: Path
    role: Metadata[Targets]
    head: Head
    head_bytes: bytes
    parts: Mapping[bytes, bytes]

    @classmethod
    def make(  # noqa: PLR0913, PLR0917  as repository.publish
        cls,
        folder: Path,
        repo_dir: Path,
        signer: CryptoSigner,
        head: Head,
        parts: Mapping[bytes, bytes],
        now_utc: float,
    ) -> "Draft":
        """Draft a list, signed once, in a directory that holds no draft yet.

        Raises:
            OfficeFault: it holds one, can't be written, or gates would refuse the list anyway.
        """
        try:
            if folder.exists() and any(folder.iterdir()):
                raise OfficeFault(f"found files in {folder}, wanted a new directory for the draft")
            new = new_parts(repo_dir, head, parts)
            role, head_bytes = repository.list_role(head, now_utc)
            metadata = Metadata(role)
            metadata.sign(signer)
            folder.mkdir(parents=True, exist_ok=True)
            new[target_path(role, HEAD_TARGET)] = head_bytes
            write_all(folder, {**new, f"{head.number}.allowlist.json": metadata.to_bytes(_COMPACT)})
        except OSError as fault:
            raise OfficeFault(f"the draft can't be written to {folder}: {fault}") from fault
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> "Draft":
        """Read a draft.

        Raises:
            OfficeFault: there is none, or it is damaged.
        """
        found = versions(folder, "allowlist")
        if len(found) != 1:
            raise OfficeFault(f"found {len(found)} drafts in {folder}, wanted one made by `publish --draft`")
        try:
            role = Metadata[Targets].from_file(str(*found.values()))
            path = folder / target_path(role.signed, HEAD_TARGET)
            head_bytes = path.read_bytes()
            role.signed.targets[HEAD_TARGET].verify_length_and_hashes(head_bytes)
            head = Head.from_bytes(head_bytes)
            parts = {
                bytes.fromhex(part.name): part.read_bytes()
                for part in path.parent.iterdir()
                if not part.suffix and not part.name.startswith(".")
            }
        except (OSError, RepositoryError, KeyError, ValueError) as fault:
            raise OfficeFault(f"the draft in {folder} is damaged: {fault}; draft it again") from fault
        return cls(folder, role, head, head_bytes, parts)

    def sign(self, signer: CryptoSigner) -> None:
        """Add a signature and keep it in the draft.

        Raises:
            OfficeFault: that key has signed already, or the draft can't be written.
        """
        if signer.public_key.keyid in self.role.signatures:
            raise OfficeFault(
                f"list {self.head.number} has this key's signature already; another person signs with another key"
            )
        self.role.sign(signer, append=True)
        try:
            write_whole(self.folder / f"{self.head.number}.allowlist.json", self.role.to_bytes(_COMPACT))
        except OSError as fault:
            raise OfficeFault(f"the signature can't be kept in {self.folder}: {fault}") from fault

    def lacks(self, trust_dir: Path, now_utc: float) -> str:
        """What gates would miss in its signatures, as a sentence; empty when it is complete.

        Raises:
            OfficeFault: what the ceremony left can't be used.
        """
        targets = repository.trusted(trust_dir, self.head.site, now_utc).targets.signed
        try:
            targets.verify_delegate("allowlist", self.role.signed_bytes, self.role.signatures)
        except UnsignedMetadataError as fault:
            return str(fault)
        return ""

    def publish(
        self,
        repo_dir: Path,
        trust_dir: Path,
        keyring: Keyring,
        now_utc: float,
        denied: Mapping[bytes, Status],
    ) -> repository.Published:
        """Put a complete draft into the repository; the directory may be removed then.

        Raises:
            OfficeFault: it lacks signatures or is older than what is published; nothing has changed.
        """
        if missing := self.lacks(trust_dir, now_utc):
            raise OfficeFault(
                f"list {self.head.number} is not complete: {missing}; `menshen-office sign` adds one"
            )
        last = repository.last_number(repo_dir)
        if self.head.number <= last:
            raise OfficeFault(
                f"found a draft of list {self.head.number}, and {last} is published; draft again"
            )
        try:
            trust = repository.trusted(trust_dir, self.head.site, now_utc)
            new = new_parts(repo_dir, self.head, self.parts)
            role = self.role.to_bytes(_COMPACT)
            new[target_path(self.role.signed, HEAD_TARGET)] = self.head_bytes
            new[f"{self.head.number}.allowlist.json"] = role
            hot = Denials(self.head.site, denied)
            return repository.finish(repo_dir, trust, keyring, self.head.number, new, role, hot, now_utc)
        except (OSError, ListFault) as fault:
            raise OfficeFault(f"list {self.head.number} can't be written to {repo_dir}: {fault}") from fault
