# A second pass for whoever is threatened: one live pass of a kind, and one for duress.
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0008_what_is_let_go_of'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='pass',
            name='one_live_pass_of_a_kind',
        ),
        migrations.AddField(
            model_name='pass',
            name='duress',
            field=models.BooleanField(default=False, help_text='shown under a threat: opens, and alarms the office'),
        ),
        migrations.AddConstraint(
            model_name='pass',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['draft', 'live', 'suspended'])), fields=('person', 'kind', 'duress'), name='one_live_pass_of_a_kind'),
        ),
    ]
