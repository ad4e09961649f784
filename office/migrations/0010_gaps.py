# Events that a gate let go of before this office had them: who accepted that, and why.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0009_a_pass_for_duress'),
    ]

    operations = [
        migrations.CreateModel(
            name='Gap',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('after_epoch', models.CharField(blank=True, help_text='of the last event before it; empty: there was none', max_length=16)),
                ('after_seq', models.PositiveBigIntegerField()),
                ('after_head', models.BinaryField(max_length=32)),
                ('to_epoch', models.CharField(help_text='of the last event in it', max_length=16)),
                ('to_seq', models.PositiveBigIntegerField()),
                ('to_head', models.BinaryField(max_length=32)),
                ('purged', models.BinaryField(help_text="the gate's signature over having let go of it", max_length=64)),
                ('seen_at', models.DateTimeField(help_text='when the gate last spoke of it')),
                ('accepted_at', models.DateTimeField(null=True)),
                ('by', models.CharField(blank=True, max_length=100)),
                ('why', models.CharField(blank=True, max_length=500)),
                ('signature', models.BinaryField(default=b'', help_text="the office's, over all of the above", max_length=64)),
                ('closed_at', models.DateTimeField(help_text='when the feed went on behind it', null=True)),
                ('before_utc', models.FloatField(help_text='when the last event before it was; null: none', null=True)),
                ('behind_utc', models.FloatField(help_text='when the first event behind it was', null=True)),
                ('place', models.PositiveBigIntegerField(help_text="the newest event's id as it was closed", null=True)),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='office.gate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('gate', 'after_epoch', 'after_seq', 'to_epoch', 'to_seq'), name='each_gap_once')],
            },
        ),
    ]
