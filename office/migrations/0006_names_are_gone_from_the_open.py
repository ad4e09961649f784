"""What 0005 has sealed is removed; apart from it, since PostgreSQL alters no table with rows just changed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("office", "0005_people_are_sealed")]
    operations = [
        migrations.RemoveConstraint("person", "one_file_of_a_name"),
        migrations.RemoveField("person", "name"),
        migrations.AddConstraint(
            "person", models.UniqueConstraint(fields=("site", "mark"), name="one_file_of_a_name")
        ),
    ]
