# Couriers, staff and contractors ask by forms of their own; hosts may approve.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('web', '0005_orders'),
    ]

    operations = [
        migrations.AddField(
            model_name='visit',
            name='kind',
            field=models.CharField(default='visitor', max_length=16),
        ),
        migrations.AddField(
            model_name='visitrules',
            name='hosts',
            field=models.BooleanField(default=True, help_text='whom they visit may approve, from a phone'),
        ),
        migrations.AddField(
            model_name='visitrules',
            name='kind',
            field=models.CharField(default='visitor', max_length=16, unique=True),
        ),
        migrations.AddField(
            model_name='visitrules',
            name='open',
            field=models.BooleanField(default=True, help_text='this kind may ask at the gates'),
        ),
    ]
