import java.io.PrintWriter;
import java.sql.Connection;
import java.util.logging.Logger;
import javax.sql.DataSource;

/** Opens connections that do nothing. */
final class StubSource implements DataSource {
  public Connection getConnection() { return new StubConnection(); }
  public Connection getConnection(String user, String password) { return new StubConnection(); }
  public PrintWriter getLogWriter() { return null; }
  public void setLogWriter(PrintWriter out) {}
  public void setLoginTimeout(int seconds) {}
  public int getLoginTimeout() { return 0; }
  public Logger getParentLogger() { return null; }
  public <T> T unwrap(Class<T> type) { return null; }
  public boolean isWrapperFor(Class<?> type) { return false; }
}
