# A form that is sent twice is one visit.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('web', '0006_kinds_of_visits'),
    ]

    operations = [
        migrations.AddField(
            model_name='visit',
            name='once',
            field=models.CharField(blank=True, help_text='of the form that was sent, perhaps twice', max_length=32),
        ),
    ]
