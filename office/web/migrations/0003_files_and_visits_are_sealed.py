"""Personal files and visits move under their person's key (C10)."""

import django.db.models.deletion
from django.db import migrations, models

from office.identity import moving

FILE = ("unit", "phone", "note")
VISIT = ("name", "phone", "host", "company", "plate")


def seal(apps, schema_editor):
    file, visit = apps.get_model("web", "PersonFile"), apps.get_model("web", "Visit")
    person_key = apps.get_model("office", "PersonKey")
    for one in file.objects.select_related("person__key").iterator(2000):
        key = one.person.key
        sealed = moving.seal(key, {name: getattr(one, name) for name in FILE})
        file.objects.filter(pk=one.pk).update(key=key, sealed=sealed)
    for one in visit.objects.iterator(2000):
        key = moving.make_key(person_key)
        sealed = moving.seal(key, {name: getattr(one, name) for name in VISIT})
        visit.objects.filter(pk=one.pk).update(key=key, sealed=sealed)


def sealed_fields(model):
    return [
        migrations.AddField(
            model,
            "key",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="office.personkey",
            ),
        ),
        migrations.AddField(model, "sealed", models.BinaryField(default=b"")),
    ]


class Migration(migrations.Migration):
    dependencies = [("office", "0006_names_are_gone_from_the_open"), ("web", "0002_visits")]
    operations = [*sealed_fields("personfile"), *sealed_fields("visit"), migrations.RunPython(seal)]
