# Indexes by which rare kinds, closing statements and the events of a day are found (see office.spans).
#
# PostgreSQL looked up the gate again for each event that came in, which was half of its work. An event's
# gate is that of its epoch, whose row still refers to it; and the ingester has just read it.

import django.db.models.deletion
from django.db import migrations, models


class AlterOnPostgreSQL(migrations.AlterField):
    """SQLite's check costs next to nothing, and to drop it the whole table would have to be written anew."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        self.database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0013_signs_of_life'),
    ]

    operations = [
        AlterOnPostgreSQL(
            model_name='event',
            name='gate',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='office.gate'),
        ),
        migrations.AddIndex("event", models.Index(fields=["kind"], name="events_by_kind")),
        migrations.AddIndex("event", models.Index(fields=["at_utc"], name="events_by_time")),
    ]
