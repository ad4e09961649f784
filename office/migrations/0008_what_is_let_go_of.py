"""How long classes of data are kept, and from where on an epoch's events still are (C10)."""

from django.db import migrations, models

from agent.core.chain import GENESIS


class Migration(migrations.Migration):
    dependencies = [("office", "0007_phones")]
    operations = [
        migrations.AddField(
            "epoch",
            "let_go",
            models.PositiveBigIntegerField(
                default=0, help_text="events up to here were deleted on schedule"
            ),
        ),
        migrations.AddField(
            "epoch",
            "let_go_head",
            models.BinaryField(default=GENESIS, help_text="the head there", max_length=32),
        ),
        migrations.CreateModel(
            "RetentionRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kept", models.CharField(max_length=16, unique=True)),
                ("days", models.PositiveSmallIntegerField()),
            ],
        ),
    ]
