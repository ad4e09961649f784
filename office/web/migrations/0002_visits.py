# Visits, and what visitors are asked.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0002_acts_are_append_only'),
        ('web', '0001_accounts_files_and_totals'),
    ]

    operations = [
        migrations.CreateModel(
            name='VisitRules',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('asks', models.JSONField(default=list, help_text='of phone, host, company, plate')),
                ('purposes', models.JSONField(default=list)),
                ('notice', models.CharField(help_text='what for, how long it is kept; shown above the form', max_length=1000)),
                ('hours', models.PositiveSmallIntegerField(default=4)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Visit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(help_text='whoever has it sees the pass', max_length=43, unique=True)),
                ('at', models.DateTimeField()),
                ('consent_at', models.DateTimeField()),
                ('name', models.CharField(max_length=100)),
                ('purpose', models.CharField(max_length=100)),
                ('phone', models.CharField(blank=True, max_length=32)),
                ('host', models.CharField(blank=True, max_length=100)),
                ('company', models.CharField(blank=True, max_length=100)),
                ('plate', models.CharField(blank=True, max_length=16)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('approved', 'Approved'), ('refused', 'Refused'), ('entered', 'Entered'), ('left', 'Left'), ('ended', 'Ended')], default='waiting', max_length=16)),
                ('decided_by', models.CharField(blank=True, max_length=150)),
                ('why', models.CharField(blank=True, max_length=200)),
                ('entered_utc', models.FloatField(null=True)),
                ('left_utc', models.FloatField(null=True)),
                ('overstay', models.BooleanField(default=False, help_text='the alert was raised')),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='office.gate')),
                ('held', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='office.pass')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['state'], name='visits_by_state')],
            },
        ),
    ]
