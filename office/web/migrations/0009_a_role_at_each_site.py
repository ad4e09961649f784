# What an account may do is a row for each site; Django's groups said it of one.

import django.db.models.deletion
from django.db import migrations, models


def from_groups(apps, schema_editor):
    alias = schema_editor.connection.alias
    site = apps.get_model("office", "Site").objects.using(alias).first()
    if site is None:
        return  # nobody can have an account before there is a site
    duty = apps.get_model("web", "Duty").objects.using(alias)
    for account in apps.get_model("web", "Account").objects.using(alias).order_by("pk"):
        group = account.groups.using(alias).order_by("pk").first()
        # A closed account has no group any more; it stays listed as closed.
        duty.create(account=account, site=site.name, role=group.name if group else "")
        account.groups.clear()


def to_groups(apps, schema_editor):
    alias = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(alias)
    for duty in apps.get_model("web", "Duty").objects.using(alias).exclude(role="").select_related("account"):
        duty.account.groups.add(groups.get_or_create(name=duty.role)[0])


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('office', '0010_gaps'),
        ('web', '0008_a_right_to_export_names'),
    ]

    operations = [
        migrations.CreateModel(
            name='Duty',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('site', models.CharField(max_length=32)),
                ('role', models.CharField(blank=True, choices=[('clerk', 'clerk'), ('approver', 'approver'), ('auditor', 'auditor'), ('technician', 'technician'), ('administrator', 'administrator')], help_text='empty: not any more', max_length=16)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='duties', to='web.account')),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('account', 'site'), name='one_duty_at_a_site')],
            },
        ),
        migrations.RunPython(from_groups, to_groups),
        migrations.RemoveField(model_name='account', name='is_superuser'),
        migrations.AlterModelOptions(
            name='account',
            options={'default_permissions': (), 'verbose_name': 'user', 'verbose_name_plural': 'users'},
        ),
    ]
