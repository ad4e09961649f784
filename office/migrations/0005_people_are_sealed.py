"""Names move under a key for each person (C10)."""

import django.db.models.deletion
from django.db import migrations, models

from office.identity import moving


def seal(apps, schema_editor):
    person, person_key = apps.get_model("office", "Person"), apps.get_model("office", "PersonKey")
    for one in person.objects.iterator(2000):
        key = moving.make_key(person_key)
        person.objects.filter(pk=one.pk).update(
            key=key, sealed=moving.seal(key, {"name": one.name}), mark=moving.mark(one.name)
        )


class Migration(migrations.Migration):
    dependencies = [("office", "0004_the_audit_log_is_a_chain")]
    operations = [
        migrations.CreateModel(
            "PersonKey",
            fields=[
                ("id", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("secret", models.CharField(help_text="which secret wraps it", max_length=8)),
                ("wrapped", models.BinaryField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddField(
            "person",
            "key",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="office.personkey",
            ),
        ),
        migrations.AddField("person", "sealed", models.BinaryField(default=b"")),
        migrations.AddField(
            "person",
            "mark",
            models.CharField(help_text="finds this exact name again", max_length=64, null=True),
        ),
        migrations.RunPython(seal),
    ]
