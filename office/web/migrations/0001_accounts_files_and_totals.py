# Accounts, personal files, and the running totals.

import django.contrib.auth.models
import django.contrib.auth.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('office', '0002_acts_are_append_only'),
    ]

    operations = [
        migrations.CreateModel(
            name='Progress',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event', models.PositiveBigIntegerField(default=0, help_text='the last event counted')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Account',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('must_change_password', models.BooleanField(default=False)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'permissions': [('see_live', 'See events, gates, and how many are inside'), ('see_people', 'See names and personal files'), ('handle_alerts', 'Acknowledge and close alerts'), ('draft_passes', 'Keep personal files and draft passes'), ('approve_passes', 'Approve drafts of others'), ('stop_passes', 'Suspend and revoke passes'), ('publish_lists', 'Publish the list to the gates'), ('decide_visits', 'Approve or refuse visitors'), ('see_history', 'Read the history of what everybody did'), ('manage_accounts', 'Make and close accounts')],
                'abstract': False,
                'default_permissions': (),
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='GateNow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at_utc', models.FloatField(default=0, help_text='of its last event')),
                ('heard', models.DateTimeField(help_text="when that was taken in, by the office's clock", null=True)),
                ('kind', models.CharField(blank=True, max_length=32)),
                ('reason', models.CharField(blank=True, max_length=32)),
                ('troubles', models.JSONField(default=list, help_text='kinds of events that have not been undone')),
                ('list_number', models.PositiveBigIntegerField(default=0)),
                ('gate', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='now', to='office.gate')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Handling',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(max_length=150)),
                ('acknowledged_at', models.DateTimeField()),
                ('outcome', models.CharField(blank=True, max_length=500)),
                ('closed_by', models.CharField(blank=True, max_length=150)),
                ('closed_at', models.DateTimeField(null=True)),
                ('closed_count', models.PositiveBigIntegerField(default=0, help_text="the alert's count then; one more opens it again")),
                ('alert', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='handling', to='office.alert')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Inside',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pass_id', models.CharField(max_length=16, unique=True)),
                ('since_utc', models.FloatField()),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='office.gate')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='PersonFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('unit', models.CharField(blank=True, help_text='flat, room or company', max_length=64)),
                ('phone', models.CharField(blank=True, max_length=32)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='file', to='office.person')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='HourCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.PositiveIntegerField(help_text="hours since 1970 on the site's clock")),
                ('kind', models.CharField(max_length=32)),
                ('count', models.PositiveIntegerField(default=0)),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='office.gate')),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('hour', 'gate', 'kind'), name='one_count_of_an_hour')],
            },
        ),
    ]
