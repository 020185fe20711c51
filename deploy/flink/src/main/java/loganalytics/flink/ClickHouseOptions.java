package loganalytics.flink;

import java.io.Serializable;
import java.net.URI;
import java.time.Duration;

/**
 * Where ClickHouse is and how it is written to.
 *
 * @param url its HTTP interface
 * @param database the database that {@code deploy/clickhouse/schema.sql} was applied to
 * @param user the user, or null for the server's default
 * @param password the user's password, or null
 * @param batchBytes an insert is sent when it has this many bytes
 * @param linger or when its first row has waited this long
 * @param inserts inserts that are on their way at the same time; with one more being filled for each table they bound the
 *     memory
 * @param requestTimeout how long one try of an insert may take
 * @param retryFor how long an insert is tried again before the job fails (and is restarted from its checkpoint)
 */
record ClickHouseOptions(
    URI url,
    String database,
    String user,
    String password,
    int batchBytes,
    Duration linger,
    int inserts,
    Duration requestTimeout,
    Duration retryFor)
    implements Serializable {

  ClickHouseOptions {
    if (!"http".equals(url.getScheme()) && !"https".equals(url.getScheme())) {
      throw new IllegalArgumentException(url + " is not an http(s) URL");
    }
    if (!database.matches("[A-Za-z_][A-Za-z0-9_]*")) {
      throw new IllegalArgumentException(database + " is not a database's name");
    }
    if (batchBytes < 1 || inserts < 1) {
      throw new IllegalArgumentException("batch bytes and inserts are at least 1");
    }
  }

  /** Defaults for everything but the place. The password is never printed. */
  static ClickHouseOptions at(URI url, String database) {
    return new ClickHouseOptions(
        url, database, null, null, 4 << 20, Duration.ofMillis(500), 2, Duration.ofSeconds(30), Duration.ofMinutes(2));
  }

  @Override
  public String toString() {
    return url + " " + database;
  }
}
