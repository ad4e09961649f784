# Orders from the pages, and for which of them the site wants two people.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0009_a_pass_for_duress'),
        ('web', '0004_files_and_visits_are_gone_from_the_open'),
    ]

    operations = [
        migrations.CreateModel(
            name='OrderRules',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('second_person', models.JSONField(default=list, help_text='of open, lockdown, release')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AlterModelOptions(
            name='account',
            options={'default_permissions': (), 'permissions': [('see_live', 'See events, gates, and how many are inside'), ('see_people', 'See names and personal files'), ('handle_alerts', 'Acknowledge and close alerts'), ('draft_passes', 'Keep personal files and draft passes'), ('approve_passes', 'Approve drafts of others'), ('stop_passes', 'Suspend and revoke passes'), ('publish_lists', 'Publish the list to the gates'), ('decide_visits', 'Approve or refuse visitors'), ('give_orders', 'Open gates from afar, lock them down, release them'), ('see_history', 'Read the history of what everybody did'), ('manage_accounts', 'Make and close accounts')], 'verbose_name': 'user', 'verbose_name_plural': 'users'},
        ),
        migrations.CreateModel(
            name='RemoteOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(max_length=16)),
                ('why', models.CharField(max_length=64)),
                ('asked_by', models.CharField(max_length=150)),
                ('asked_at', models.DateTimeField()),
                ('ends', models.DateTimeField(help_text='a second person confirms before this')),
                ('confirmed_by', models.CharField(blank=True, max_length=150)),
                ('sent_at', models.DateTimeField(null=True)),
                ('nonce', models.CharField(blank=True, db_index=True, help_text='by which its outcome is found', max_length=32)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('withdrawn', 'Withdrawn'), ('lapsed', 'Lapsed'), ('failed', 'Failed'), ('sent', 'Sent'), ('silent', 'Silent'), ('obeyed', 'Obeyed'), ('refused', 'Refused')], default='waiting', max_length=16)),
                ('outcome', models.CharField(blank=True, help_text='why not', max_length=200)),
                ('done_at', models.DateTimeField(null=True)),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='office.gate')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['state'], name='orders_by_state')],
            },
        ),
    ]
