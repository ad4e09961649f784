# What a restored office has otherwise than its gates, until somebody has settled it.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0010_gaps'),
    ]

    operations = [
        migrations.CreateModel(
            name='Restoration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('made_at', models.DateTimeField(help_text='when the backup was made')),
                ('act', models.PositiveBigIntegerField(help_text='the act that says so; what people do comes after it')),
                ('floor', models.PositiveBigIntegerField(help_text='gates may have this list: the next has a greater number')),
                ('event', models.PositiveBigIntegerField(default=0, help_text="the last of the gates' events looked at")),
            ],
        ),
        migrations.CreateModel(
            name='Difference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(help_text='see office.differences.What', max_length=16)),
                ('subject', models.CharField(help_text="a pass id, a gate, or a rule's name", max_length=64)),
                ('detail', models.CharField(max_length=500)),
                ('at', models.DateTimeField()),
                ('settled_at', models.DateTimeField(null=True)),
                ('by', models.CharField(blank=True, max_length=150)),
                ('outcome', models.CharField(blank=True, max_length=16)),
                ('why', models.CharField(blank=True, max_length=200)),
                ('restoration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='office.restoration')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('restoration', 'subject'), name='one_difference_of_a_subject')],
            },
        ),
    ]
