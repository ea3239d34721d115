import java.net.URI;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** What the JDBC scenarios share: connections, values as plain data, errors' fields, JSON. */
class Driver {
    interface Action {
        Object run() throws Exception;
    }

    static final URI ADDRESS = URI.create(System.getenv("DATABASE_URL"));
    static final String DATABASE = ADDRESS.getPath().substring(1);

    static Connection connect(String... pairs) throws SQLException {
        return connectTo(DATABASE, pairs);
    }

    static Connection connectTo(String database, String... pairs) throws SQLException {
        String[] login = ADDRESS.getUserInfo().split(":", 2);
        Properties properties = new Properties();
        properties.setProperty("user", login[0]);
        properties.setProperty("password", login[1]);
        properties.setProperty("prepareThreshold", "1");
        for (int i = 0; i < pairs.length; i += 2) {
            properties.setProperty(pairs[i], pairs[i + 1]);
        }
        return DriverManager.getConnection("jdbc:postgresql://" + ADDRESS.getHost() + ":"
            + ADDRESS.getPort() + "/" + database, properties);
    }

    static Object plain(Object value) throws SQLException {
        if (value == null || value instanceof Boolean || value instanceof Integer
            || value instanceof Long || value instanceof String) {
            return value;
        }
        if (value instanceof Array array) {
            return Arrays.asList(plain(array.getArray()));
        }
        if (value instanceof Object[] values) {
            List<Object> out = new ArrayList<>();
            for (Object one : values) {
                out.add(plain(one));
            }
            return out;
        }
        if (value instanceof byte[] bytes) {
            return "bytes " + bytes.length + " " + Arrays.hashCode(bytes);
        }
        return value.getClass().getSimpleName() + " " + value;
    }

    static Object read(ResultSet result) throws SQLException {
        List<Object> rows = new ArrayList<>();
        int columns = result.getMetaData().getColumnCount();
        while (result.next()) {
            List<Object> row = new ArrayList<>();
            for (int i = 1; i <= columns; i++) {
                row.add(plain(result.getObject(i)));
            }
            rows.add(row);
        }
        return rows;
    }

    static Object rows(Connection c, String text, Object... values) throws SQLException {
        try (PreparedStatement statement = c.prepareStatement(text)) {
            for (int i = 0; i < values.length; i++) {
                if (values[i] == null) {
                    statement.setNull(i + 1, Types.NULL);
                } else {
                    statement.setObject(i + 1, values[i]);
                }
            }
            return statement.execute() ? read(statement.getResultSet()) : statement.getUpdateCount();
        }
    }

    /** A statement as text alone: the simple protocol when the connection was opened for it. */
    static Object run(Connection c, String text) throws SQLException {
        try (Statement statement = c.createStatement()) {
            List<Object> out = new ArrayList<>();
            boolean isResult = statement.execute(text);
            while (isResult || statement.getUpdateCount() >= 0) {
                out.add(isResult ? read(statement.getResultSet()) : statement.getUpdateCount());
                isResult = statement.getMoreResults();
            }
            return out;
        }
    }

    static Object failure(Action action) {
        try {
            action.run();
            return "no error";
        } catch (SQLException error) {
            TreeMap<String, Object> fields = new TreeMap<>();
            fields.put("state", error.getSQLState());
            fields.put("message", String.valueOf(error.getMessage()).split("\n")[0]);
            ServerErrorMessage server =
                error instanceof PSQLException e ? e.getServerErrorMessage() : null;
            if (server != null) {
                fields.put("severity", server.getSeverity());
                fields.put("detail", server.getDetail());
                fields.put("hint", server.getHint());
                fields.put("constraint", server.getConstraint());
                fields.put("position", server.getPosition());
                fields.put("routine", server.getRoutine());
            }
            return fields;
        } catch (Exception error) {
            return error.toString();
        }
    }

    static List<Object> list(Object... values) {
        return new ArrayList<>(Arrays.asList(values));
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            out.append(c == '"' || c == '\\' ? "\\" + c
                : c < 0x20 || c > 0x7e ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        }
        return out.append('"').toString();
    }

    static String toJson(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return String.valueOf(value);
        }
        if (value instanceof List<?> values) {
            return "[" + String.join(", ", values.stream().map(Driver::toJson).toList()) + "]";
        }
        if (value instanceof Map<?, ?> map) {
            return "{" + String.join(", ", map.entrySet().stream()
                .map(e -> quoted(e.getKey().toString()) + ": " + toJson(e.getValue())).toList()) + "}";
        }
        return quoted(value.toString());
    }
}
