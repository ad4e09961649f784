# Named hours, holidays and anti-passback; a pass may have hours of its own, a phone a certificate.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0002_acts_are_append_only'),
    ]

    operations = [
        migrations.AddField(
            model_name='pass',
            name='schedule',
            field=models.PositiveSmallIntegerField(default=0, help_text='its own; 0 is that of its kind'),
        ),
        migrations.AddField(
            model_name='site',
            name='holidays',
            field=models.JSONField(default=list, help_text='dates, 2026-10-01'),
        ),
        migrations.AddField(
            model_name='site',
            name='kind_schedules',
            field=models.JSONField(default=dict, help_text='kind to the number of a schedule'),
        ),
        migrations.AddField(
            model_name='site',
            name='passback',
            field=models.JSONField(default=dict, help_text='kind to mode and minutes'),
        ),
        migrations.AddField(
            model_name='site',
            name='unlisted_holders',
            field=models.BooleanField(default=True),
        ),
        migrations.AlterField(
            model_name='pass',
            name='code',
            field=models.CharField(blank=True, help_text='the signed text of a static pass or a certificate', max_length=200),
        ),
        migrations.CreateModel(
            name='Schedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField(help_text='1 to 254')),
                ('name', models.CharField(max_length=32)),
                ('windows', models.JSONField(help_text='each: days 1 to 8, from and to in minutes')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='office.site')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('site', 'number'), name='one_schedule_of_a_number'), models.UniqueConstraint(fields=('site', 'name'), name='one_schedule_of_a_name')],
            },
        ),
    ]
