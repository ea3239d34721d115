"""howdah lint as people and machines call it."""

import json
import re
import shlex
import shutil
import signal
import subprocess

import pytest

from tests.migrate.harness import PRESET, held_to_schema
from tools import build, process
from tools.pgcluster import SUPERUSER
from tools.process import wait_until
from tools.shell import ROOT

SECONDS_MAX = 120
FIRST = "CREATE TABLE p (id bigint PRIMARY KEY);\n" \
        "CREATE TABLE t (id bigint PRIMARY KEY, a bigint, b int, UNIQUE (a));\n"
SECOND = "CREATE INDEX t_b ON t (b);\n" \
         "ALTER TABLE t ADD COLUMN c uuid NOT NULL DEFAULT gen_random_uuid(),\n  ALTER b SET NOT NULL;\n" \
         "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p;\n" \
         "ALTER TABLE t ADD CONSTRAINT u UNIQUE (b);\n"


class Folder:
    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def command(self, *words):
        return [str(build.binary(PRESET)), "lint", *map(str, words)]

    def lint(self, *words, status=None):
        done = subprocess.run(self.command(*words), cwd=self.path, capture_output=True, text=True,
                              timeout=SECONDS_MAX, env=process.clean_environment())
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    def rules(self, *words):
        document = held_to_schema(json.loads(self.lint(*words, "--format", "json").stdout))
        return [finding["rule"] for finding in document["findings"]]

    def git(self, *words):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=self.path,
                       check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    made.write("migrations/0001_a.sql", FIRST)
    made.write("migrations/0002_b.sql", SECOND)
    return made


def test_findings_and_exit_status(folder):
    done = folder.lint(status=1)
    assert "migrations/0002_b.sql:3:3: warning: SET NOT NULL on b reads all of t" in done.stdout
    assert "\x1b" not in done.stdout
    folder.lint("--fail-on", "error", status=0)
    folder.lint("--fail-on", "high", status=1)
    folder.lint("--fail-on", "often", status=2)
    folder.lint("nowhere", status=2)
    folder.lint("--no-such-option", status=2)
    folder.lint("--database", "host=/nonexistent", status=3)
    assert "--since" in folder.lint("--help", status=0).stdout


def test_machine_formats(folder):
    document = held_to_schema(json.loads(folder.lint("--format", "json").stdout))
    assert document["summary"]["high"] >= 5
    assert document["files"][1]["verdict"] == "needs two deploys"
    sarif = json.loads(folder.lint("--format", "sarif").stdout)
    known = {rule["id"] for rule in sarif["runs"][0]["tool"]["driver"]["rules"]}
    for result in sarif["runs"][0]["results"]:
        region = result["locations"][0]["physicalLocation"]["region"]
        assert result["ruleId"] in known and region["startLine"] >= 1
    gitlab = json.loads(folder.lint("--format", "gitlab").stdout)
    assert len({entry["fingerprint"] for entry in gitlab}) == len(gitlab)
    assert folder.lint("--format", "github").stdout.startswith("::warning file=migrations/0002_b.sql,line=")
    report = subprocess.run([str(build.binary(PRESET)), "optimize-migrations"], cwd=folder.path,
                            capture_output=True, text=True, timeout=SECONDS_MAX).stdout
    assert report.index("## Summary") < report.index("## Issues") < report.index("## Recommendations")
    assert "**[WARNING]** line 1" in report and "**[HIGH]**" in report


def test_only_what_changed(folder):
    folder.git("init", "-q")
    folder.git("add", ".")
    folder.git("commit", "-qm", "first")
    assert folder.rules("--changed") == []
    folder.write("migrations/0003_c.sql", "DROP TABLE t;\n")
    assert "drop-table" in folder.rules("--changed")
    folder.git("add", ".")
    folder.git("commit", "-qm", "second")
    assert folder.rules("--changed") == []
    assert "create-index-blocks-writes" not in folder.rules("--since", "HEAD~1")
    assert "drop-table" in folder.rules("--since", "HEAD~1")
    folder.lint("--since", "no-such-revision", status=2)


def test_baseline(folder):
    done = folder.lint("--write-baseline", "known", status=0)
    assert re.search(r"^known: \d+ findings? written; ", done.stderr), done.stderr
    assert folder.rules("--baseline", "known") == []
    folder.write("migrations/0003_c.sql", "DROP TABLE t;\n")
    assert "drop-table" in folder.rules("--baseline", "known")
    folder.lint("--baseline", "absent", status=2)


def test_fixed_files_run_and_are_clean(folder, cluster):
    shown = folder.lint("--diff", status=0).stdout
    assert "+CREATE INDEX CONCURRENTLY t_b ON t (b);" in shown
    assert not (folder.path / "migrations/0003_b_index.sql").exists()
    folder.lint("--fix", status=0)
    document = json.loads(folder.lint("--format", "json").stdout)
    assert document["summary"]["high"] == 0, document["findings"]
    cluster.primary.sql("create database lint_fixed")
    cluster.primary.file(folder.path / "migrations/0001_a.sql", "lint_fixed")
    cluster.primary.sql("insert into t select n, null, n from generate_series(1, 12000) n", "lint_fixed")
    for file in sorted((folder.path / "migrations").glob("*.sql"))[1:]:
        cluster.primary.file(file, "lint_fixed")
    assert cluster.primary.sql("select count(*), count(distinct c) from t", "lint_fixed") == "12000|12000"
    assert cluster.primary.sql("select count(*) from pg_constraint where not convalidated",
                               "lint_fixed") == "0"
    assert cluster.primary.sql("select string_agg(attname, ' ' order by attname) from pg_attribute where "
                               "attrelid = 't'::regclass and attnum > 0 and attnotnull",
                               "lint_fixed") == "b c id"


def test_live_database(folder, cluster):
    cluster.primary.sql("create database lint_live")
    cluster.primary.file(folder.path / "migrations/0001_a.sql", "lint_live")
    cluster.primary.sql("insert into t select n, null, nullif(n % 50, 7) from generate_series(1, 50000) n;"
                        "analyze", "lint_live")
    uri = f"postgresql://{SUPERUSER}@/lint_live?host={cluster.sockets}&port={cluster.primary.port}"
    document = held_to_schema(json.loads(folder.lint("--database", uri, "--format", "json").stdout))
    broken = [f["message"] for f in document["findings"] if f["rule"] == "data-breaks-constraint"]
    assert "at least 1000 rows of t without b" in broken
    assert any("duplicates of (b) in t" in message for message in broken)
    index = next(f for f in document["findings"] if f["rule"] == "create-index-blocks-writes")
    assert "about 50000 rows" in index["evidence"] and index["risk"] == "high"
    assert cluster.primary.sql("select count(*) from pg_stat_user_tables where relname = 'u'",
                               "lint_live") == "0"


def test_trace(folder, cluster):
    document = held_to_schema(json.loads(folder.lint("--trace", "--format", "json", status=0).stdout))
    assert document["summary"] == {"statements": 6, "differing": 0, "failed": 0}
    uri = f"postgresql://{SUPERUSER}@/postgres?host={cluster.sockets}&port={cluster.primary.port}"
    folder.lint("--trace", "--database", uri, status=0)
    assert cluster.primary.sql("select count(*) from pg_database where datname like 'howdah_trace%'") == "0"
    folder.write("migrations/0003_c.sql", "DROP TABLE nobody;\n")
    assert "1 refused" in folder.lint("--trace", status=1).stdout


def test_trace_on_a_copy_of_the_schema(folder, cluster):
    """What is there without a migration, and what has run, is copied; only the rest runs."""
    server, name = cluster.primary, "trace_clone"
    server.sql(f"create database {name}")
    uri = f"postgresql://{SUPERUSER}@/{name}?host={cluster.sockets}&port={server.port}"
    server.sql("create table by_hand (id bigint primary key, note text)", name)
    shutil.rmtree(folder.path / "migrations")
    folder.write("migrations/0001_a.sql", "CREATE TABLE a (id bigint PRIMARY KEY, n int);\n")
    subprocess.run([build.binary(PRESET), "migrate", "up", "--database", uri], cwd=folder.path, check=True,
                   capture_output=True)
    folder.write("migrations/0002_b.sql", "ALTER TABLE a ALTER n TYPE bigint;\n"
                 "ALTER TABLE by_hand ADD COLUMN more text;\n")
    assert "1 refused" in folder.lint("--trace", "--database", uri, status=1).stdout, "no by_hand"
    done = folder.lint("--trace", "--clone", "--verbose", "--database", uri, status=0)
    assert "2 statements run, 0 differ from the prediction, 0 refused" in done.stdout
    assert "a: ACCESS EXCLUSIVE, rewrite" in done.stdout and "0001_a" not in done.stdout
    assert "more" not in server.sql("select string_agg(column_name, ',') from "
                                    "information_schema.columns where table_name = 'by_hand'", name)
    assert server.sql("select count(*) from pg_database where datname like 'howdah_trace%'") == "0"
    assert "whose schema" in folder.lint("--trace", "--clone", status=2).stderr
    server.sql(f"drop database {name}")


def test_trace_of_what_dumps_hold(folder):
    """IF EXISTS of what is not there, foreign keys' row locks, psql's COPY data, "$user"."""
    folder.write("migrations/0002_b.sql",
                 'SET search_path = "$user", public;\nDROP TABLE IF EXISTS nobody;\n'
                 "CREATE TABLE f (id int PRIMARY KEY, p bigint REFERENCES p);\n"
                 "INSERT INTO p VALUES (1);\nINSERT INTO f VALUES (1, 1);\n"
                 "COPY p (id) FROM stdin;\n2\n\\.\n\nALTER TABLE f ADD COLUMN a int;\n")
    done = folder.lint("--trace", "--verbose", status=0)
    assert "0 differ from the prediction, 0 refused" in done.stdout and "ALTER TABLE f" in done.stdout


def test_watch(folder):
    running = subprocess.Popen(folder.command("--watch", "--fail-on", "never"), cwd=folder.path,
                               stdout=(folder.path / "out").open("w"), stderr=subprocess.STDOUT)
    try:
        out = folder.path / "out"
        wait_until(lambda: "2 files" in out.read_text(), 30, "the first report")
        folder.write("migrations/0003_c.sql", "DROP TABLE t;\n")
        wait_until(lambda: "3 files" in out.read_text(), 30, "the second report")
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 0


def test_documented_commands_and_settings(folder):
    page = (ROOT / "docs" / "lint.md").read_text()
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
                for line in block.splitlines()]
    assert len(commands) >= 5
    for line in commands:
        assert folder.lint(*shlex.split(line)[2:]).returncode in (0, 1), line
    settings, = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    folder.write("howdah.toml", settings)
    assert "combine-alter-table" not in folder.rules()
    folder.write("howdah.toml", "[lint]\nno_such_key = 1\n")
    assert "howdah.toml:2" in folder.lint(status=2).stderr
