"""Acts follow from each other by hash, and are sealed; both tables can only be added to (C21)."""

from django.db import migrations, models

from agent.core.chain import GENESIS, extend
from office.audit.book import Deed, act_line

TABLES = ("office_act", "office_actseal")


def loose(apps, schema_editor):
    """Without the triggers of 0002, so that what is there already can be chained."""
    if schema_editor.connection.vendor == "sqlite":
        for what in ("UPDATE", "DELETE"):
            schema_editor.execute(f"DROP TRIGGER office_act_{what}")
    else:
        schema_editor.execute("DROP TRIGGER office_act_refuse ON office_act")


def chain(apps, schema_editor):
    act = apps.get_model("office", "Act")
    head = GENESIS
    for n, one in enumerate(act.objects.order_by("pk").iterator(2000), 1):
        head = extend(head, act_line(n, one.at, Deed(one.who, one.what, one.subject, one.why)))
        act.objects.filter(pk=one.pk).update(n=n, head=head)


def fast(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for table in TABLES:
            for what in ("UPDATE", "DELETE"):
                schema_editor.execute(
                    f"CREATE TRIGGER {table}_{what} BEFORE {what} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END"
                )
    else:
        for table in TABLES:
            schema_editor.execute(
                f"CREATE TRIGGER {table}_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION office_act_refuse()"
            )


class Migration(migrations.Migration):
    dependencies = [("office", "0003_schedules_and_passback")]
    operations = [
        migrations.RunPython(loose),
        migrations.AddField("act", "n", models.PositiveBigIntegerField(null=True)),
        migrations.AddField("act", "head", models.BinaryField(max_length=32, null=True)),
        migrations.RunPython(chain),
        migrations.AlterField(
            "act", "n", models.PositiveBigIntegerField(unique=True, help_text="1, 2, 3 … without a hole")
        ),
        migrations.AlterField(
            "act",
            "head",
            models.BinaryField(max_length=32, help_text="SHA-256 over the head before and this act's line"),
        ),
        migrations.AddIndex("act", models.Index(fields=["subject"], name="acts_by_subject")),
        migrations.AddIndex("act", models.Index(fields=["what"], name="acts_by_what")),
        migrations.CreateModel(
            "ActSeal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("n", models.PositiveBigIntegerField(unique=True)),
                ("before", models.PositiveBigIntegerField(help_text="the n of the seal before; 0 is none")),
                ("at_ms", models.PositiveBigIntegerField()),
                ("head", models.BinaryField(max_length=32)),
                ("signature", models.BinaryField(max_length=64)),
            ],
        ),
        migrations.RunPython(fast),
    ]
