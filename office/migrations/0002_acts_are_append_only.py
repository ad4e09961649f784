"""The history can be added to and read; the database refuses anything else (C02, C21)."""

from django.db import migrations

SQLITE = [
    """CREATE TRIGGER office_act_{what} BEFORE {what} ON office_act
       BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END""".format(what=what)
    for what in ("UPDATE", "DELETE")
]
POSTGRESQL = [
    """CREATE FUNCTION office_act_refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'the history is append-only'; END $$""",
    """CREATE TRIGGER office_act_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON office_act
       FOR EACH STATEMENT EXECUTE FUNCTION office_act_refuse()""",
]


def forward(apps, schema_editor):
    statements = {"sqlite": SQLITE, "postgresql": POSTGRESQL}[schema_editor.connection.vendor]
    for statement in statements:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("office", "0001_registry_and_feed")]
    operations = [migrations.RunPython(forward)]
