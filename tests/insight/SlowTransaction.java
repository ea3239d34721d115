// A transaction whose first statement is slow, by the JDBC driver: BEGIN goes along with it.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;

public final class SlowTransaction {
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = DriverManager.getConnection(arguments[0])) {
            connection.setAutoCommit(false);
            String text = "select pg_sleep(0.25), " + arguments[1] + " from organizations where id = ?";
            for (int id = 1; id <= 2; ++id) {
                try (PreparedStatement statement = connection.prepareStatement(text)) {
                    statement.setInt(1, id);
                    statement.executeQuery().close();
                }
                connection.commit();
            }
        }
    }
}
