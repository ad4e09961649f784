# Whether an ingester takes events in, for the pages.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('office', '0012_accounts_of_days'),
    ]

    operations = [
        migrations.CreateModel(
            name='IngesterBeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='its client id', max_length=64, unique=True)),
                ('at', models.DateTimeField()),
                ('listening', models.BooleanField(default=False, help_text='the broker serves it')),
                ('listened_at', models.DateTimeField(help_text='when it last did', null=True)),
                ('stopped', models.BooleanField(default=False, help_text='it ended as it was told to')),
            ],
        ),
    ]
