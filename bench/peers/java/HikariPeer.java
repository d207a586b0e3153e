import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Rival program: HikariCP over connections that do nothing.
 *
 * <pre>HikariPeer ROW        measures one row and prints it as lines of JSON
 * HikariPeer --version  prints the version</pre>
 */
public final class HikariPeer {
  private static final int PER_USER = 1000;

  private static void emit(String row, String unit, double value) {
    System.out.printf("{\"row\": \"%s\", \"unit\": \"%s\", \"value\": %f}%n", row, unit, value);
  }

  private static HikariDataSource open(int size) {
    HikariConfig config = new HikariConfig();
    config.setDataSource(new StubSource());
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(size);
    return new HikariDataSource(config);
  }

  /** Runs the body in as many threads as there are users; returns the seconds it took. */
  private static double together(int users, Runnable body) {
    Thread[] threads = new Thread[users];
    long begin = System.nanoTime();
    for (int i = 0; i < users; i++) {
      threads[i] = new Thread(body);
      threads[i].start();
    }
    for (Thread thread : threads) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
    return (System.nanoTime() - begin) / 1e9;
  }

  private static double acquireRelease(HikariDataSource pool, int users, boolean busy, int n) {
    return together(users, () -> {
      for (int i = 0; i < n * PER_USER; i++) {
        try (Connection held = pool.getConnection()) {
          if (busy) Thread.yield();
        } catch (SQLException e) {
          throw new IllegalStateException(e);
        }
      }
    });
  }

  /** Wall time per acquire and release over all users, after a second of warm-up for the JIT. */
  private static void measure(String row, HikariDataSource pool, int users, boolean busy) {
    double warm = 0;
    int n = 1;
    for (double took = 0; took < 0.1 || warm < 1; warm += took) {
      if (took > 0 && took < 0.1) n *= 2;
      took = acquireRelease(pool, users, busy, n);
    }
    double[] ns = new double[3];
    for (int i = 0; i < ns.length; i++) {
      ns[i] = acquireRelease(pool, users, busy, n) * 1e9 / ((double) n * PER_USER * users);
    }
    Arrays.sort(ns);
    emit(row, "ns", ns[1]);
  }

  /**
   * Every acquire of half a second: percentiles, and how many per 1,000 were overtaken by one that
   * began at least {@code users} acquires later.
   */
  private static void waits(String row, HikariDataSource pool, int users) {
    AtomicLong begun = new AtomicLong();
    AtomicLong newest = new AtomicLong();
    AtomicLong overtaken = new AtomicLong();
    AtomicLong count = new AtomicLong();
    long[] all = new long[4_000_000];
    long end = System.nanoTime() + 500_000_000;
    together(users, () -> {
      for (long begin = System.nanoTime(); begin < end; begin = System.nanoTime()) {
        long ticket = begun.getAndIncrement();
        try (Connection held = pool.getConnection()) {
          int slot = (int) count.getAndIncrement();
          if (slot < all.length) all[slot] = System.nanoTime() - begin;
          if (newest.getAndAccumulate(ticket, Math::max) >= ticket + users) {
            overtaken.getAndIncrement();
          }
          Thread.yield();
        } catch (SQLException e) {
          throw new IllegalStateException(e);
        }
      }
    });
    int size = (int) Math.min(count.get(), all.length);
    Arrays.sort(all, 0, size);
    emit(row + ".wait_p50", "us", all[size / 2] / 1e3);
    emit(row + ".wait_p99", "us", all[(int) (size * 99L / 100)] / 1e3);
    emit(row + ".wait_max", "us", all[size - 1] / 1e3);
    emit(row + ".inversions", "/1000", overtaken.get() * 1000.0 / count.get());
  }

  public static void main(String[] args) {
    String row = args.length == 1 ? args[0] : "";
    switch (row) {
      case "--version": System.out.println("java " + System.getProperty("java.version")); return;
      case "hikari.1user": measure(row, open(1), 1, false); break;
      case "hikari.2on2": measure(row, open(2), 2, false); break;
      case "hikari.64on10": measure(row, open(10), 64, false); break;
      case "hikari.queued":
        HikariDataSource pool = open(10);
        measure(row, pool, 64, true);
        waits(row, pool, 64);
        break;
      default:
        System.err.println("HikariPeer has no row \"" + row + "\"");
        System.exit(3);
    }
    System.exit(0);
  }
}
