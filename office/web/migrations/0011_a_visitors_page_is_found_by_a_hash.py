"""The address of a visitor's page leaves the open: it showed name and pass to whoever read the table (C10).

Pages that are open now stay open. Backwards they don't: from a hash nobody has the address again.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256

from django.db import migrations, models


def hash_them(apps, schema_editor):
    visit = apps.get_model("web", "Visit")
    for pk, token in visit.objects.values_list("pk", "token_hash").iterator(2000):
        found_by = urlsafe_b64encode(sha256(token.encode()).digest()).rstrip(b"=").decode()
        visit.objects.filter(pk=pk).update(token_hash=found_by)


class Migration(migrations.Migration):
    dependencies = [("web", "0010_who_went_out")]
    operations = [
        migrations.RenameField("visit", "token", "token_hash"),
        migrations.AlterField(
            "visit",
            "token_hash",
            models.CharField(help_text="finds the page; see Visit.hashed", max_length=43, unique=True),
        ),
        migrations.RunPython(hash_them, migrations.RunPython.noop),
    ]
