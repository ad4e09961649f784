# Passes on phones: whose key signs for them, and invitations to put one in.

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone


def keys_that_stand(apps, schema_editor):
    HolderKey = apps.get_model('office', 'HolderKey')
    for one in apps.get_model('office', 'Pass').objects.exclude(holder_key=''):
        one.on_phone = True
        one.save(update_fields=['on_phone'])
        HolderKey.objects.create(held=one, key=one.holder_key, since=timezone.now())


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0006_names_are_gone_from_the_open'),
    ]

    operations = [
        migrations.AddField(
            model_name='pass',
            name='on_phone',
            field=models.BooleanField(default=False, help_text="its codes are made by a key on the holder's phone"),
        ),
        migrations.AlterField(
            model_name='pass',
            name='holder_key',
            field=models.CharField(blank=True, help_text='that key; empty until there is one', max_length=80),
        ),
        migrations.CreateModel(
            name='HolderKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(db_index=True, max_length=80)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField(help_text='when it was taken out', null=True)),
                ('listed_in', models.PositiveBigIntegerField(help_text='a list that has it', null=True)),
                ('held', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='keys', to='office.pass')),
            ],
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_hash', models.CharField(help_text='SHA-256 of what the link carries', max_length=64, unique=True)),
                ('by', models.CharField(max_length=100)),
                ('at', models.DateTimeField()),
                ('ends', models.DateTimeField()),
                ('challenge', models.CharField(blank=True, help_text='what the phone signs to prove its key', max_length=32)),
                ('challenged_at', models.DateTimeField(null=True)),
                ('used_at', models.DateTimeField(null=True)),
                ('held', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='office.pass')),
            ],
        ),
        migrations.RunPython(keys_that_stand, migrations.RunPython.noop),
    ]
