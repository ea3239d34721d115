#!/usr/bin/env python3
"""PantryCRM's load: what the application's routes do, at a few requests a second.

    load.py --uri postgresql://... [--clients 6] [--rate 20] [--seconds 0] [--seed 1]

Three kinds of clients under their own application_name: the web application, a nightly report and
a background worker. Statements carry sqlcommenter tags, as the framework would put them there.
Three of the routes are wrong, as real ones are, and say so: an N+1, a filter without an index, a
list without a limit.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from urllib.parse import quote

import psycopg

SEGMENTS = ("FINE_DINING", "CASUAL_DINING", "FAST_CASUAL", "QUICK_SERVICE", "CAFE", "BAR", "HOTEL")
RETRY_SECONDS_MAX = 5


class Client:
    """One connection and what a request on it needs."""

    def __init__(self, connection, chance: random.Random, application: str):
        self.connection = connection
        self.chance = chance
        self.tags: dict[str, str] = {"application": application, "framework": "pantry:1"}
        self.organizations = self.ask("select max(id) from organizations")[0][0]

    def begin_request(self, controller: str, action: str, route: str) -> None:
        self.tags.update(controller=controller, action=action, route=route,
                         traceparent=f"00-{self.chance.getrandbits(128):032x}-"
                                     f"{self.chance.getrandbits(64):016x}-01")

    def ask(self, text: str, *values):
        """Runs one statement with the request's tags and returns its rows."""
        pairs = ",".join(f"{k}='{quote(v, safe='')}'" for k, v in sorted(self.tags.items()))
        if values:  # a per cent sign is the driver's placeholder, but only beside values
            pairs = pairs.replace("%", "%%")
        cursor = self.connection.execute(f"{text} /*{pairs}*/", values or None)
        return cursor.fetchall() if cursor.description else []

    def organization(self) -> int:
        """Popular organizations are asked for more often."""
        return 1 + int(self.organizations * self.chance.random() ** 3)


def organization_list(client: Client) -> None:
    client.begin_request("organizations", "index", "/organizations")
    client.ask("select id, name, priority, city from organizations where segment = %s::segment "
               "and priority <= 'B' and id > %s order by id limit 25",
               client.chance.choice(SEGMENTS), client.organization())


def organization_page(client: Client) -> None:
    client.begin_request("organizations", "show", "/organizations/:id")
    number = client.organization()
    client.ask("select * from organizations where id = %s", number)
    client.ask("select id, first_name, last_name, position from contacts "
               "where organization_id = %s order by is_primary desc, id", number)
    client.ask("select id, kind, subject, happened_at from interactions "
               "where organization_id = %s order by happened_at desc limit 20", number)
    client.ask("select id, name, stage, amount from opportunities where organization_id = %s",
               number)


def pipeline_page(client: Client) -> None:
    """Wrong on purpose, N+1: one statement for each row of the first; a join would do."""
    client.begin_request("opportunities", "pipeline", "/pipeline")
    rows = client.ask("select id, organization_id, stage, amount from opportunities "
                      "where stage not in ('WON', 'LOST') and expected_on > %s "
                      "order by expected_on limit 20", "2025-07-01")
    for row in rows:
        client.ask("select name, city, priority from organizations where id = %s", row[1])


def contact_history(client: Client) -> None:
    """Wrong on purpose, missing index: nothing but a scan finds interactions by contact."""
    client.begin_request("contacts", "history", "/contacts/:id/history")
    client.ask("select kind, subject, happened_at from interactions where contact_id = %s "
               "order by happened_at desc limit 50", client.organization())


def contact_export(client: Client) -> None:
    """Wrong on purpose, unbounded: the list grows with the business."""
    client.begin_request("contacts", "export", "/contacts/export")
    client.ask("select * from contacts order by last_name")


def contact_search(client: Client) -> None:
    client.begin_request("contacts", "search", "/contacts/search")
    number = client.organization()
    client.ask("select id, first_name, last_name from contacts where lower(email) = %s",
               f"contact{number}1@org{number}.example")


def log_interaction(client: Client) -> None:
    client.begin_request("interactions", "create", "/organizations/:id/interactions")
    number = client.organization()
    with client.connection.transaction():
        client.ask("insert into interactions (organization_id, user_id, kind, subject, minutes) "
                   "select id, owner_id, 'CALL', 'Called', %s from organizations where id = %s",
                   client.chance.randrange(1, 30), number)
        client.ask("update organizations set last_seen_at = now(), updated_at = now() "
                   "where id = %s", number)


def move_opportunity(client: Client) -> None:
    client.begin_request("opportunities", "update", "/opportunities/:id")
    with client.connection.transaction():
        rows = client.ask("select id, probability from opportunities where id = %s for update",
                          client.organization())
        for number, probability in rows:
            client.ask("update opportunities set probability = %s where id = %s",
                       (probability + 5) % 101, number)


def report(client: Client) -> None:
    client.begin_request("reports", "pipeline", "job:pipeline-report")
    with client.connection.transaction():
        client.ask("set transaction read only")
        client.ask("select o.segment, p.stage, count(*), sum(p.amount) from opportunities p "
                   "join organizations o on o.id = p.organization_id "
                   "group by o.segment, p.stage order by 1, 2")
        client.ask("select u.name, count(*) from interactions i join users u on u.id = i.user_id "
                   "where i.happened_at > now() - interval '7 days' group by u.name")


def score_leads(client: Client) -> None:
    client.begin_request("leads", "score", "job:score-leads")
    client.ask("update leads set score = (score + 1) %% 101 where id in (select id from leads "
               "where status in ('NEW', 'CONTACTED') order by created_at limit %s "
               "for update skip locked)", 5)


WEB = ((organization_list, 20), (organization_page, 30), (pipeline_page, 6), (contact_history, 6),
       (contact_export, 2), (contact_search, 16), (log_interaction, 12), (move_opportunity, 8))
KINDS = (("pantrycrm-web", WEB), ("pantrycrm-web", WEB), ("pantrycrm-web", WEB),
         ("pantrycrm-mobile", WEB), ("pantrycrm-worker", ((score_leads, 1),)),
         ("pantrycrm-report", ((report, 1),)))


class Load:
    def __init__(self, options):
        self.options = options
        self.over = threading.Event()
        self.counts: Counter[str] = Counter()

    def connect(self, application: str):
        connection = psycopg.connect(self.options.uri, autocommit=True,
                                     application_name=application, connect_timeout=10)
        # Named prepared statements only where asked: not every pooler carries them.
        connection.prepare_threshold = 3 if self.options.prepare else None
        return connection

    def serve(self, number: int) -> None:
        """One client: requests at its share of the rate; a lost connection is made again."""
        application, routes = KINDS[number % len(KINDS)]
        chance = random.Random(f"{self.options.seed}/{number}")
        names, weights = zip(*routes)
        slower = 1 if routes is WEB else 4
        mean = slower * self.options.clients / self.options.rate
        wait = 0.1
        while not self.over.is_set():
            try:
                with self.connect(application) as connection:
                    client = Client(connection, chance, application)
                    wait = 0.1
                    while not self.over.wait(chance.expovariate(1 / mean)):
                        route = chance.choices(names, weights)[0]
                        route(client)
                        self.counts[route.__name__] += 1
            except psycopg.Error as error:
                self.counts["errors"] += 1
                print(f"{application}: {str(error).strip()}", file=sys.stderr, flush=True)
                self.over.wait(wait)
                wait = min(2 * wait, RETRY_SECONDS_MAX)

    def run(self) -> int:
        threads = [threading.Thread(target=self.serve, args=(n,), daemon=True)
                   for n in range(self.options.clients)]
        for thread in threads:
            thread.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.over.set())
        self.over.wait(self.options.seconds or None)
        self.over.set()
        for thread in threads:
            thread.join(5)
        for name, count in sorted(self.counts.items()):
            print(f"{name:20} {count}")
        return 1 if self.counts["errors"] else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uri", default=os.environ.get("DATABASE_URL", ""))
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--rate", type=float, default=20, help="requests a second, all clients")
    parser.add_argument("--seconds", type=float, default=0, help="0: until interrupted")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prepare", action="store_true", help="use named prepared statements")
    return Load(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
