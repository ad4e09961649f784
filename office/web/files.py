"""Personal files: what a clerk may change about a person, and that it was changed.

The history names the fields that changed, not their contents: it can't be
deleted, and personal data must be (C10, C14).
"""

from collections.abc import Mapping

from django.db import transaction

from office import registry
from office.models import Person
from office.web.models import PersonFile

FIELDS = ("unit", "phone", "note")


def subject(person: Person) -> str:
    """How the history calls a person."""
    return f"person {person.pk}"


def change(person: Person, values: Mapping[str, str], by: str) -> tuple[str, ...]:
    """Keep what is known of a person.

    Returns:
        The names of the fields that are different now.
    """
    with transaction.atomic():
        file, _ = PersonFile.objects.select_for_update().get_or_create(person=person)
        changed = tuple(
            name for name in FIELDS if name in values and getattr(file, name) != values[name].strip()
        )
        for name in changed:
            setattr(file, name, values[name].strip())
        if changed:
            file.save()
            registry.note(by, "file", subject(person), ", ".join(changed))
    return changed
