"""Requests as Django makes them: from parent to children, and from children to their parent.

`lazy` and `lazy_parent` ask for each object, `prefetch` and `select` ask once.
"""

import os
import sys
import threading
from urllib.parse import parse_qsl, urlsplit

import django
from django.conf import settings

ADDRESS = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": ADDRESS.path[1:],
        "USER": ADDRESS.username, "PASSWORD": ADDRESS.password, "HOST": ADDRESS.hostname,
        "PORT": ADDRESS.port, "OPTIONS": dict(parse_qsl(ADDRESS.query))}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True)
django.setup()

from django.db import models  # noqa: E402  models want the settings to be there


class Organization(models.Model):
    name = models.TextField()

    class Meta:
        app_label, db_table = "crm", "organizations"


class Contact(models.Model):
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="contacts")
    email = models.TextField(null=True)

    class Meta:
        app_label, db_table = "crm", "contacts"


def children(question):
    for organization in question:
        len(organization.contacts.all())


def parents(question):
    for contact in question:
        len(contact.organization.name)


ORGANIZATIONS = Organization.objects.order_by("id")
CONTACTS = Contact.objects.order_by("organization_id", "id").distinct("organization_id")
WAYS = {"lazy": lambda: children(ORGANIZATIONS[:12]),
        "prefetch": lambda: children(ORGANIZATIONS.prefetch_related("contacts")[:12]),
        "lazy_parent": lambda: parents(CONTACTS[:12]),
        "select": lambda: parents(CONTACTS.select_related("organization")[:12])}


def main() -> None:
    pause = threading.Event()
    for _ in range(5):
        WAYS[sys.argv[1]]()
        pause.wait(0.15)  # the next request


main()
