import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSetMetaData;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/**
 * The scenarios with JDBC, with prepareThreshold=1 so that statements are named at once. Here those
 * about sessions; JdbcStatements has the rest.
 */
public final class JdbcClient extends JdbcStatements {
    static Object failed_transaction() throws Exception {
        try (Connection c = connect()) {
            c.setAutoCommit(false);
            List<Object> out = list(failure(() -> rows(c, "select 1 / 0")),
                failure(() -> rows(c, "select 1")), failure(() -> {
                    c.commit();
                    return null;
                }));
            c.rollback();
            out.add(rows(c, "select 1"));
            c.rollback();
            return out;
        }
    }

    static Object isolation() throws Exception {
        try (Connection c = connect()) {
            List<Object> out = list();
            c.setReadOnly(true);
            for (int level : new int[] {Connection.TRANSACTION_READ_COMMITTED,
                Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE}) {
                c.setTransactionIsolation(level);
                c.setAutoCommit(false);
                out.add(rows(c, "show transaction_isolation"));
                out.add(failure(() -> run(c, "create table no (n int)")));
                c.rollback();
                c.setAutoCommit(true);
            }
            c.setReadOnly(false);
            out.add(c.getTransactionIsolation());
            return out;
        }
    }

    static Object two_phase() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table prepared_rows (n int)");
            for (String how : new String[] {"commit", "rollback"}) {
                run(c, "begin");
                rows(c, "insert into prepared_rows values (?)", how.length());
                run(c, "prepare transaction '" + DATABASE + "'");
                run(c, how + " prepared '" + DATABASE + "'");
            }
            return list(rows(c, "select n from prepared_rows"),
                failure(() -> run(c, "commit prepared 'none'")));
        }
    }

    static Object notify_() throws Exception {
        try (Connection c = connect(); Connection other = connect()) {
            List<Object> got = list();
            run(c, "listen letters");
            run(c, "notify letters, 'own'");
            run(other, "notify letters, 'from another'");
            rows(other, "select pg_notify(?, ?)", "letters", "by function");
            PGConnection ear = c.unwrap(PGConnection.class);
            while (got.size() < 3) {
                PGNotification[] heard = ear.getNotifications(10_000);
                for (PGNotification one : heard == null ? new PGNotification[0] : heard) {
                    got.add(list(one.getName(), one.getParameter()));
                }
            }
            run(c, "unlisten *");
            run(other, "notify letters, 'too late'");
            run(c, "select 1");
            PGNotification[] late = ear.getNotifications();
            got.add(late == null ? 0 : late.length);
            return got;
        }
    }

    static Object cancel() throws Exception {
        try (Connection c = connect(); Connection other = connect();
             Statement statement = c.createStatement()) {
            ExecutorService thread = Executors.newSingleThreadExecutor();
            Future<Object> sleeping =
                thread.submit(() -> failure(() -> statement.execute("select pg_sleep(30)")));
            String ask = "select count(*) from pg_stat_activity where state = 'active' and "
                + "datname = current_database() and query = 'select pg_sleep(30)'";
            while (!rows(other, ask).equals(list(list(1L)))) {
                Thread.onSpinWait();
            }
            statement.cancel();
            Object out = sleeping.get();
            thread.shutdown();
            statement.setQueryTimeout(1);
            return list(out, failure(() -> statement.execute("select pg_sleep(30)")),
                rows(c, "select 1"));
        }
    }

    static Object set_show() throws Exception {
        try (Connection c = connect()) {
            List<Object> out = list(rows(c, "show work_mem"));
            run(c, "set work_mem = '7MB'");
            rows(c, "select set_config('app.user', ?, false)", "ana");
            run(c, "set timezone = 'Asia/Tokyo'");
            out.add(rows(c, "show work_mem"));
            out.add(rows(c, "select current_setting('app.user'), "
                + "'2025-01-01 00:00+00'::timestamptz::text"));
            c.setAutoCommit(false);
            run(c, "set local work_mem = '9MB'");
            out.add(rows(c, "show work_mem"));
            c.commit();
            out.add(rows(c, "show work_mem"));
            run(c, "set work_mem = '11MB'");
            c.rollback();
            c.setAutoCommit(true);
            out.add(rows(c, "show work_mem"));
            run(c, "reset work_mem");
            out.add(rows(c, "show work_mem"));
            c.setSchema("pg_catalog");
            out.add(c.getSchema());
            c.setClientInfo("ApplicationName", "renamed");
            out.add(rows(c, "show application_name"));
            out.add(failure(() -> run(c, "set work_mem = 'much'")));
            return out;
        }
    }

    static Object statement_timeout() throws Exception {
        try (Connection c = connect()) {
            run(c, "set statement_timeout = 100");
            Object late = failure(() -> rows(c, "select pg_sleep(20)"));
            run(c, "reset statement_timeout");
            return list(late, rows(c, "select 1"));
        }
    }

    static Object startup_parameters() throws Exception {
        try (Connection c = connect("ApplicationName", "start-up", "assumeMinServerVersion", "15")) {
            return list(rows(c, "show application_name"), rows(c, "show client_encoding"),
                rows(c, "show datestyle"), rows(c, "show timezone"),
                c.unwrap(PGConnection.class).getParameterStatus("server_encoding"),
                c.getMetaData().getDatabaseMajorVersion());
        }
    }

    static Object startup_options() throws Exception {
        try (Connection c = connect("options", "-c work_mem=6MB -c app.thing=a\\ b", "currentSchema",
            "pg_catalog")) {
            return list(rows(c, "show work_mem"), rows(c, "select current_setting('app.thing')"),
                rows(c, "show search_path"), rows(c, "show extra_float_digits"));
        }
    }

    static Object unicode() throws Exception {
        String name = "t\u00e4bl\u00eb \u4e2d\u6587 \ud83d\udc18";
        String value = "\u00fcn\u00efc\u00f6d\u00e9 \u4e2d\u6587 \u0627\u0644 \ud83d\udc18 e\u0301";
        try (Connection c = connect()) {
            run(c, "create table \"" + name + "\" (\"" + name + "\" text)");
            rows(c, "insert into \"" + name + "\" values (?)", value);
            return list(rows(c, "select *, length(\"" + name + "\") from \"" + name + "\""),
                failure(() -> rows(c, "select \"" + name + "x\" from \"" + name + "\"")));
        }
    }

    static Object many_parameters() throws Exception {
        Object[] values = new Object[5000];
        Arrays.setAll(values, i -> (long) i);
        String places = "(?), ".repeat(values.length - 1) + "(?)";
        try (Connection c = connect()) {
            return rows(c, "select count(*), sum(n), max(n) from (values " + places + ") v (n)", values);
        }
    }

    static Object empty_query() throws Exception {
        List<Object> out = list();
        for (String mode : new String[] {"extended", "simple"}) {
            try (Connection c = connect("preferQueryMode", mode)) {
                for (String text : new String[] {"", ";", "-- nothing", "/* nothing */ ;"}) {
                    out.add(run(c, text));
                }
                out.add(run(c, "select 1"));
            }
        }
        return out;
    }

    static Object multi_statements() throws Exception {
        List<Object> out = list();
        try (Connection c = connect()) {
            run(c, "create table several (n int primary key)");
        }
        for (String mode : new String[] {"simple", "extended"}) {
            try (Connection c = connect("preferQueryMode", mode)) {
                out.add(run(c, "insert into several values (1), (2); select n from several; "
                    + "update several set n = n + 10; select sum(n) from several"));
                out.add(failure(() -> run(c, "insert into several values (99); select 1 / 0")));
                out.add(rows(c, "select n from several order by n"));
                run(c, "delete from several");
            }
        }
        return out;
    }

    static Object discard() throws Exception {
        try (Connection c = connect("prepareThreshold", "0")) {
            run(c, "set work_mem = '8MB'");
            run(c, "prepare p as select 1");
            run(c, "discard all");
            List<Object> out = list(rows(c, "show work_mem"), failure(() -> run(c, "execute p")));
            run(c, "prepare p as select 2");
            out.add(run(c, "execute p"));
            run(c, "deallocate all");
            out.add(failure(() -> run(c, "execute p")));
            out.add(rows(c, "select ?::int", 1));
            return out;
        }
    }

    static Object notices() throws Exception {
        try (Connection c = connect(); Statement s = c.createStatement()) {
            List<Object> got = list();
            s.execute("do $$ begin raise info 'i'; raise notice 'n' using detail = 'more'; "
                + "raise warning 'w'; end $$");
            for (SQLWarning w = s.getWarnings(); w != null; w = w.getNextWarning()) {
                got.add(list(w.getSQLState(), w.getMessage()));
            }
            s.clearWarnings();
            s.execute("drop table if exists no_such_table");
            got.add(s.getWarnings().getMessage());
            return got;
        }
    }

    static Object temp_table() throws Exception {
        Object out;
        try (Connection c = connect()) {
            run(c, "create temp table mine (n int)");
            for (int i = 0; i < 5; i++) {
                rows(c, "insert into mine values (?)", i);
            }
            out = rows(c, "select sum(n) from mine");
            run(c, "drop table mine");
        }
        try (Connection c = connect()) {
            return list(out, failure(() -> rows(c, "select * from mine")));
        }
    }

    static Object advisory_lock() throws Exception {
        String ask = "select pg_try_advisory_lock(77)";
        try (Connection c = connect(); Connection other = connect()) {
            return list(rows(c, ask), rows(other, ask), rows(c, "select 1"), rows(other, ask),
                rows(c, "select pg_advisory_unlock(77)"), rows(other, ask),
                rows(other, "select pg_advisory_unlock(77)"));
        }
    }

    static Object describe() throws Exception {
        try (Connection c = connect();
             PreparedStatement s = c.prepareStatement(ALL_TYPES + ", ?::int as parameter")) {
            List<Object> out = list(s.getParameterMetaData().getParameterTypeName(1));
            ResultSetMetaData columns = s.getMetaData();
            for (int i = 1; i <= columns.getColumnCount(); i++) {
                out.add(list(columns.getColumnLabel(i), columns.getColumnTypeName(i),
                    columns.getPrecision(i), columns.getScale(i), columns.getColumnDisplaySize(i)));
            }
            return out;
        }
    }

    static Object counts() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table counted (id int generated always as identity, t text)");
            List<Object> out = list();
            for (String text : new String[] {
                "insert into counted (t) select 'x' from generate_series(1, 7)",
                "update counted set t = 'y' where id <= 3", "delete from counted where id = 1",
                "truncate counted", "insert into counted (t) values ('a'), ('b') returning id, t"}) {
                out.add(rows(c, text));
            }
            return out;
        }
    }

    static Object reconnect() throws Exception {
        List<Object> out = list();
        for (int i = 0; i < 20; i++) {
            try (Connection c = connect()) {
                out.add(rows(c, "select ?::int", i));
            }
        }
        return out;
    }

    static Object concurrent() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        List<Future<Object>> futures = new ArrayList<>();
        for (int number = 0; number < 8; number++) {
            String mine = String.valueOf(number);
            futures.add(threads.submit(() -> {
                try (Connection c = connect()) {
                    rows(c, "select set_config('app.number', ?, false)", mine);
                    TreeSet<String> seen = new TreeSet<>();
                    for (int i = 0; i < 25; i++) {
                        seen.add(rows(c, "select current_setting('app.number')").toString());
                    }
                    return list(seen.toArray());
                }
            }));
        }
        List<Object> out = list();
        for (Future<Object> one : futures) {
            out.add(one.get());
        }
        threads.shutdown();
        return out;
    }

    static Object login_errors() throws Exception {
        return list(failure(() -> connect("password", "wrong")),
            failure(() -> connect("user", "nobody-here")),
            failure(() -> connectTo("no_such_database")));
    }

    static Object application() throws Exception {
        try (Connection c = connect()) {
            return list(
                rows(c, "select id, name, priority, segment from organizations where segment = ?::segment "
                    + "and priority <= ?::priority order by id limit 20", "FINE_DINING", "B"),
                rows(c, "select o.segment, count(*), sum(p.amount) from opportunities p join "
                    + "organizations o on o.id = p.organization_id where p.stage not in ('WON', 'LOST') "
                    + "group by 1 order by 1"),
                rows(c, "update organizations set tags = array_append(tags, ?) where id = 1 "
                    + "returning tags", "seen"));
        }
    }

    private static boolean has(Class<?> owner, String method) {
        return Arrays.stream(owner.getDeclaredMethods()).anyMatch(m -> m.getName().equals(method));
    }

    /** Each argument names a scenario, which is the method of that name. */
    public static void main(String[] names) throws Exception {
        for (String name : names) {
            TreeMap<String, Object> line = new TreeMap<>();
            line.put("scenario", name);
            try {
                String method = name.equals("notify") ? "notify_" : name; // Object has a notify
                Class<?> owner = has(JdbcClient.class, method) ? JdbcClient.class : JdbcStatements.class;
                line.put("result", owner.getDeclaredMethod(method).invoke(null));
            } catch (InvocationTargetException error) {
                StringWriter trace = new StringWriter();
                error.getCause().printStackTrace(new PrintWriter(trace));
                line.put("error", trace.toString());
            }
            System.out.println(toJson(line));
        }
    }
}
