import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Arrays;
import java.util.List;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/** The JDBC scenarios about values, statements, COPY and transactions. */
class JdbcStatements extends Driver {
    static final String ALL_TYPES = """
        select 32767::int2 as int2_value, -5::int4 as int4_value, 9007199254740993::int8 as int8_value,
         1.5::float4 as float4_value, 0.1::float8 as float8_value, 'NaN'::float8 as nan_value,
         12345678901234567890.123456789::numeric as numeric_value, true as bool_value,
         'text'::text as text_value, 'var'::varchar(9) as varchar_value, 'pad'::char(5) as char_value,
         '2024-02-29'::date as date_value, '2024-02-29 23:59:59.123456'::timestamp as timestamp_value,
         '12:34:56'::time as time_value, '1 year 2 mons 3 days 04:05:06'::interval as interval_value,
         'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as uuid_value, '{"a": [1]}'::json as json_value,
         '{"a": [1]}'::jsonb as jsonb_value, '10.0.0.1/8'::inet as inet_value,
         '08:00:2b:01:02:03'::macaddr as macaddr_value, '(1,2)'::point as point_value,
         B'101'::bit(3) as bit_value, '\\xdeadbeef'::bytea as bytea_value, '{1,2}'::int4[] as array_value,
         '[1,5)'::int4range as range_value, 12.34::money as money_value, 'abc'::name as name_value,
         16384::oid as oid_value, 'FINE_DINING'::segment as enum_value""";

    static Object types() throws Exception {
        try (Connection c = connect("binaryTransfer", "true"); Connection text = connect("preferQueryMode", "simple")) {
            return list(rows(c, ALL_TYPES), rows(c, ALL_TYPES), run(text, ALL_TYPES));
        }
    }

    static Object nulls() throws Exception {
        try (Connection c = connect()) {
            return rows(c, "select ?::int, ?::text, ?::timestamptz, null, ?::int is null",
                null, null, null, null);
        }
    }

    static Object arrays() throws Exception {
        try (Connection c = connect()) {
            return rows(c, "select ?::int[], ?::text[], ?::int[], ?::text[]",
                c.createArrayOf("int4", new Object[] {1, null, 3}),
                c.createArrayOf("text", new Object[] {"a,b", "c\"d", "e\\f", null, "", "NULL"}),
                c.createArrayOf("int4", new Object[][] {{1, 2}, {3, 4}}),
                c.createArrayOf("text", new Object[] {}));
        }
    }

    static Object json() throws Exception {
        String value = "{\"a\": [1, 2.5, null, true], \"q\": \"quote \\\" back \\\\ tab \\t\"}";
        try (Connection c = connect()) {
            return rows(c, "select ?::json, ?::jsonb, ?::jsonb -> 'a'", value, value, value);
        }
    }

    static Object bytea() throws Exception {
        byte[] every = new byte[256];
        byte[] longer = new byte[100_000];
        for (int i = 0; i < longer.length; i++) {
            every[i % 256] = (byte) i;
            longer[i] = (byte) (i * 7);
        }
        try (Connection c = connect()) {
            return rows(c, "select ?::bytea, ?::bytea, md5(?::bytea)", every, longer, longer);
        }
    }

    static Object large_object() throws Exception {
        try (Connection c = connect()) {
            c.setAutoCommit(false);
            LargeObjectManager objects = c.unwrap(PGConnection.class).getLargeObjectAPI();
            long number = objects.createLO(LargeObjectManager.READWRITE);
            LargeObject object = objects.open(number, LargeObjectManager.READWRITE);
            object.write("0123456789".repeat(20_000).getBytes(StandardCharsets.US_ASCII));
            object.seek(199_995);
            byte[] end = object.read(100);
            long size = object.size64();
            object.truncate(7);
            object.seek(0);
            byte[] left = object.read(100);
            object.close();
            objects.delete(number);
            c.commit();
            return list(new String(end, StandardCharsets.US_ASCII), size,
                new String(left, StandardCharsets.US_ASCII), failure(() -> objects.open(1L)));
        }
    }

    static Object big_result() throws Exception {
        try (Connection c = connect(); Statement s = c.createStatement();
             ResultSet r = s.executeQuery("select n from generate_series(1, 100000) n")) {
            long sum = 0;
            boolean ordered = true;
            int count = 0;
            while (r.next()) {
                sum += r.getInt(1);
                ordered &= r.getInt(1) == ++count;
            }
            return list(count, sum, ordered);
        }
    }

    static Object wide_value() throws Exception {
        String text = "howdah! ".repeat(524_288);
        try (Connection c = connect(); PreparedStatement s = c.prepareStatement("select ?::text, md5(?)")) {
            s.setString(1, text);
            s.setString(2, text);
            try (ResultSet r = s.executeQuery()) {
                r.next();
                return list(r.getString(1).equals(text), r.getString(2));
            }
        }
    }

    static Object cursor() throws Exception {
        try (Connection c = connect()) {
            c.setAutoCommit(false);
            List<Object> out = list();
            try (PreparedStatement s = c.prepareStatement("select n from generate_series(1, ?) n")) {
                s.setFetchSize(300);
                s.setInt(1, 1000);
                int count = 0;
                try (ResultSet r = s.executeQuery()) {
                    while (r.next()) {
                        count++;
                        if (count % 250 == 0) { // another statement while the portal is suspended
                            out.add(rows(c, "select ?::int", count));
                        }
                    }
                }
                out.add(count);
            }
            c.commit();
            return out;
        }
    }

    static Object hold_cursor() throws Exception {
        try (Connection c = connect()) {
            c.setAutoCommit(false);
            run(c, "declare held cursor with hold for select n from generate_series(1, 9) n");
            c.commit();
            c.setAutoCommit(true);
            List<Object> out = list(run(c, "fetch 3 from held"), run(c, "fetch 3 from held"));
            run(c, "close held");
            out.add(failure(() -> run(c, "fetch 1 from held")));
            return out;
        }
    }

    static Object prepared() throws Exception {
        try (Connection c = connect();
             PreparedStatement twice = c.prepareStatement("select ?::int * 2");
             PreparedStatement upper = c.prepareStatement("select upper(?)")) {
            List<Object> out = list();
            for (int i = 0; i < 12; i++) {
                twice.setInt(1, i);
                out.add(read(twice.executeQuery()));
                upper.setString(1, "v" + i);
                out.add(read(upper.executeQuery()));
            }
            return out;
        }
    }

    static Object many_prepared() throws Exception {
        try (Connection c = connect()) {
            List<Object> out = list();
            for (int i = 0; i < 120; i++) {
                out.add(rows(c, "select ?::int + " + i % 60, i));
            }
            return out;
        }
    }

    static Object prepared_sql() throws Exception {
        try (Connection c = connect()) {
            run(c, "prepare twice (int) as select $1 * 2");
            List<Object> out = list();
            for (int i = 0; i < 5; i++) {
                out.add(run(c, "execute twice(" + i + ")"));
            }
            out.add(failure(() -> run(c, "prepare twice as select 1")));
            run(c, "deallocate twice");
            out.add(failure(() -> run(c, "execute twice(1)")));
            return out;
        }
    }

    static Object pipeline() throws Exception {
        try (Connection c = connect("reWriteBatchedInserts", "false")) {
            run(c, "create table pipeline_rows (n int primary key)");
            try (PreparedStatement s = c.prepareStatement("insert into pipeline_rows values (?)")) {
                for (int i = 0; i < 1000; i++) {
                    s.setInt(1, i);
                    s.addBatch();
                }
                int[] counts = s.executeBatch();
                return list(Arrays.stream(counts).sum(),
                    rows(c, "select count(*), sum(n) from pipeline_rows"));
            }
        }
    }

    static Object pipeline_error() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table pipeline_error_rows (n int primary key)");
            List<Object> out = list();
            for (boolean autocommit : new boolean[] {true, false}) {
                c.setAutoCommit(autocommit);
                try (PreparedStatement s = c.prepareStatement("insert into pipeline_error_rows values (?)")) {
                    for (int n : new int[] {1, 2, 1, 3}) {
                        s.setInt(1, n);
                        s.addBatch();
                    }
                    s.executeBatch();
                } catch (BatchUpdateException error) {
                    out.add(list(error.getSQLState(), Arrays.toString(error.getUpdateCounts())));
                }
                if (!autocommit) {
                    c.rollback();
                }
                out.add(rows(c, "select n from pipeline_error_rows order by n"));
            }
            return out;
        }
    }

    static Object copy_out() throws Exception {
        try (Connection c = connect()) {
            StringWriter text = new StringWriter();
            CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
            long count = copy.copyOut(
                "copy (select n, 'row ' || n from generate_series(1, 20000) n) to stdout", text);
            return list(count, text.toString().length(), text.toString().hashCode(),
                failure(() -> copy.copyOut("copy (select 1 / (9 - n) from generate_series(1, 20) n) "
                    + "to stdout", new StringWriter())), rows(c, "select 1"));
        }
    }

    static Object copy_in() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table copied (n int, t text)");
            StringBuilder lines = new StringBuilder();
            for (int i = 0; i < 20000; i++) {
                lines.append(i).append('\t').append(i % 7 == 0 ? "\\N" : "row " + i).append('\n');
            }
            long count = c.unwrap(PGConnection.class).getCopyAPI().copyIn("copy copied from stdin",
                new StringReader(lines.toString()));
            return list(count, rows(c, "select count(*), count(t), sum(n) from copied"));
        }
    }

    static Object copy_in_error() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table copied_badly (n int)");
            String lines = "1\n".repeat(3000) + "no number\n" + "2\n".repeat(3000);
            CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
            return list(failure(() -> copy.copyIn("copy copied_badly from stdin", new StringReader(lines))),
                rows(c, "select count(*) from copied_badly"));
        }
    }

    static Object copy_in_abandoned() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table copied_partly (n int)");
            CopyIn copy = c.unwrap(PGConnection.class).getCopyAPI().copyIn("copy copied_partly from stdin");
            byte[] lines = "1\n2\n".getBytes(StandardCharsets.US_ASCII);
            copy.writeToCopy(lines, 0, lines.length);
            copy.cancelCopy();
            return list(copy.isActive(), rows(c, "select count(*) from copied_partly"));
        }
    }

    static Object errors() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table strict (n int primary key check (n > 0), t text not null)");
            run(c, "insert into strict values (1, 'a')");
            List<Object> out = list();
            for (Object[] one : new Object[][] {
                {"selekt 1"}, {"select * from no_such_table"}, {"select no_such_function(1)"},
                {"select cast(? as int)", "no number"}, {"select 1 / ?", 0},
                {"insert into strict values (?, 'b')", 1}, {"insert into strict values (?, 'b')", -1},
                {"insert into strict values (?, null)", 2}, {"select pg_read_file('/no/such')"},
                {"do $$ begin raise exception 'own' using errcode = 'HW001', hint = 'try'; end $$"}}) {
                Object[] values = Arrays.copyOfRange(one, 1, one.length);
                out.add(failure(() -> rows(c, (String) one[0], values)));
            }
            out.add(rows(c, "select count(*) from strict"));
            return out;
        }
    }

    static Object error_after_rows() throws Exception {
        try (Connection c = connect()) {
            return list(failure(() -> rows(c, "select 100 / (500 - n) from generate_series(1, 1000) n")),
                rows(c, "select 1"));
        }
    }

    static Object transaction() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table tx (n int)");
            c.setAutoCommit(false);
            run(c, "insert into tx values (1)");
            c.commit();
            run(c, "insert into tx values (2)");
            Object inside = rows(c, "select count(*) from tx");
            c.rollback();
            c.setAutoCommit(true);
            return list(inside, rows(c, "select n from tx"));
        }
    }

    static Object savepoints() throws Exception {
        try (Connection c = connect()) {
            run(c, "create table sp (n int primary key)");
            c.setAutoCommit(false);
            run(c, "insert into sp values (1)");
            Savepoint a = c.setSavepoint("a");
            Object inner = failure(() -> run(c, "insert into sp values (1)"));
            c.rollback(a);
            Savepoint b = c.setSavepoint();
            run(c, "insert into sp values (2)");
            c.releaseSavepoint(b);
            c.commit();
            Object left = rows(c, "select n from sp order by n");
            c.rollback();
            try (Connection auto = connect("autosave", "always")) {
                auto.setAutoCommit(false);
                Object bad = failure(() -> run(auto, "insert into sp values (1)"));
                run(auto, "insert into sp values (7)");
                auto.commit();
                return list(inner, left, bad, rows(auto, "select n from sp order by n"));
            }
        }
    }
}
