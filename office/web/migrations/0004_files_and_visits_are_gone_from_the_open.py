"""What 0003 has sealed is removed; apart from it, since PostgreSQL alters no table with rows just changed."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("web", "0003_files_and_visits_are_sealed")]
    operations = [
        *(migrations.RemoveField("personfile", name) for name in ("unit", "phone", "note")),
        *(migrations.RemoveField("visit", name) for name in ("name", "phone", "host", "company", "plate")),
    ]
