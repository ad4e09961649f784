# How each gate's days stood when they were last looked at.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0011_restorations'),
    ]

    operations = [
        migrations.CreateModel(
            name='DayAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.CharField(help_text='the local date', max_length=10)),
                ('verdict', models.CharField(help_text='as office.reconcile has it, or `off`', max_length=16)),
                ('events', models.PositiveBigIntegerField(default=0)),
                ('missing', models.PositiveBigIntegerField(default=0)),
                ('detail', models.CharField(blank=True, max_length=500)),
                ('at', models.DateTimeField(null=True)),
                ('upto', models.PositiveBigIntegerField(default=0, help_text="the gate's newest event then")),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='office.gate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('gate', 'day'), name='one_account_of_a_day')],
            },
        ),
    ]
