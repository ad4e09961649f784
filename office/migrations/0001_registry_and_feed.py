# The registry, the feed and the alerts.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Act',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('who', models.CharField(max_length=100)),
                ('what', models.CharField(max_length=32)),
                ('subject', models.CharField(help_text='a pass id, a gate or a list number', max_length=64)),
                ('why', models.CharField(blank=True, max_length=500)),
            ],
        ),
        migrations.CreateModel(
            name='Publication',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveBigIntegerField(unique=True)),
                ('at', models.DateTimeField()),
                ('passes', models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Site',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=32, unique=True)),
                ('zones', models.JSONField(help_text="names in order; a zone's place is its bit in a pass")),
                ('utc_offset_min', models.SmallIntegerField(default=0)),
                ('soft_ttl_s', models.PositiveIntegerField(default=86400)),
                ('shard_bits', models.PositiveSmallIntegerField(default=0)),
                ('unlisted_static', models.BooleanField(default=False)),
                ('admit_when_dead', models.JSONField(default=list)),
                ('admit_when_clock_unknown', models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('gate', models.CharField(blank=True, help_text='empty: a gate that is not on record', max_length=32)),
                ('about', models.CharField(blank=True, help_text='which epoch or place', max_length=64)),
                ('detail', models.CharField(help_text='of the latest', max_length=500)),
                ('count', models.PositiveBigIntegerField(default=1)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('kind', 'gate', 'about'), name='one_alert_of_a_matter')],
            },
        ),
        migrations.CreateModel(
            name='Person',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='office.site')),
            ],
        ),
        migrations.CreateModel(
            name='Gate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=32)),
                ('device_id', models.CharField(max_length=128)),
                ('journal_key', models.CharField(max_length=80)),
                ('direction', models.CharField(blank=True, max_length=16)),
                ('zone', models.CharField(blank=True, max_length=32)),
                ('record', models.JSONField(help_text='the whole enrolment record')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='office.site')),
            ],
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('epoch', models.CharField(max_length=16)),
                ('seq', models.PositiveBigIntegerField()),
                ('at_utc', models.FloatField(help_text="seconds since 1970 by the gate's clock")),
                ('kind', models.CharField(max_length=32)),
                ('reason', models.CharField(blank=True, max_length=32)),
                ('pass_id', models.CharField(blank=True, max_length=16)),
                ('body', models.BinaryField(help_text='the line as it was hashed')),
                ('gate', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='office.gate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('gate', 'epoch', 'seq'), name='each_event_once')],
            },
        ),
        migrations.CreateModel(
            name='Epoch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=16)),
                ('upto', models.PositiveBigIntegerField()),
                ('head', models.BinaryField(max_length=32)),
                ('prev_epoch', models.CharField(blank=True, max_length=16)),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='epochs', to='office.gate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('gate', 'name'), name='one_epoch_of_a_name')],
            },
        ),
        migrations.CreateModel(
            name='Pass',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pass_id', models.CharField(help_text='16 hex digits', max_length=16, unique=True)),
                ('kind', models.CharField(choices=[('resident', 'resident'), ('visitor', 'visitor'), ('staff', 'staff'), ('courier', 'courier'), ('contractor', 'contractor')], max_length=16)),
                ('zones', models.PositiveSmallIntegerField(help_text="bit n set: the site's n-th zone")),
                ('not_before', models.DateTimeField()),
                ('not_after', models.DateTimeField()),
                ('uses', models.PositiveSmallIntegerField(default=0, help_text='0 is without limit')),
                ('holder_key', models.CharField(blank=True, max_length=80)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('live', 'Live'), ('suspended', 'Suspended'), ('revoked', 'Revoked'), ('ended', 'Ended')], default='draft', max_length=16)),
                ('drafted_by', models.CharField(max_length=100)),
                ('approved_by', models.CharField(blank=True, max_length=100)),
                ('code', models.CharField(blank=True, help_text='the signed text of a static pass', max_length=200)),
                ('published', models.BinaryField(help_text='its grant as last published', null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='passes', to='office.person')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ['draft', 'live', 'suspended'])), fields=('person', 'kind'), name='one_live_pass_of_a_kind')],
            },
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.UniqueConstraint(fields=('site', 'name'), name='one_file_of_a_name'),
        ),
        migrations.AddConstraint(
            model_name='gate',
            constraint=models.UniqueConstraint(fields=('site', 'name'), name='one_gate_of_a_name'),
        ),
    ]
