package loganalytics.flink;

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Inserts rows over ClickHouse's HTTP interface, again and again until it says yes: an insert whose answer was lost may be
 * applied twice, which is harmless, because rows are absolute and versioned. Used by one thread at a time.
 */
final class ClickHouseClient {
  private static final Logger LOG = LoggerFactory.getLogger(ClickHouseClient.class);
  private static final long FIRST_BACKOFF_MS = 100;
  private static final long LONGEST_BACKOFF_MS = 5_000;
  private static final int QUOTED_ANSWER = 500;

  private final ClickHouseOptions options;
  private final HttpClient http;

  ClickHouseClient(ClickHouseOptions options) {
    this.options = options;
    this.http =
        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();
  }

  /**
   * Inserts rows, one JSON object a line.
   *
   * @throws IOException if ClickHouse refuses the rows themselves, or still cannot be reached after {@code retryFor}
   */
  void insert(String table, byte[] rows) throws IOException, InterruptedException {
    HttpRequest request = request("INSERT INTO " + options.database() + "." + table + " FORMAT JSONEachRow", rows);
    long deadline = System.nanoTime() + options.retryFor().toNanos();
    for (long backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, LONGEST_BACKOFF_MS)) {
      String failure;
      try {
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() == 200) {
          return;
        }
        failure = response.statusCode() + " " + quote(response.body());
        if (!isWorthRetrying(response.statusCode())) {
          throw new Refused(failure);
        }
      } catch (Refused refused) {
        throw refused;
      } catch (IOException unreachable) {
        failure = String.valueOf(unreachable);
      }
      if (System.nanoTime() - deadline > 0) {
        throw new IOException("insert into " + table + " fails for " + options.retryFor() + ": " + failure);
      }
      LOG.warn("insert into {} is tried again: {}", table, failure);
      Thread.sleep(backoffMs / 2 + ThreadLocalRandom.current().nextLong(backoffMs / 2 + 1));
    }
  }

  /** ClickHouse's "no" to the rows or the statement. */
  static final class Refused extends IOException {
    Refused(String answer) {
      super("ClickHouse refuses an insert: " + answer);
    }
  }

  /** ClickHouse answers 500 to most of what passes: too many parts, no memory, shutting down. */
  private static boolean isWorthRetrying(int status) {
    return status >= 500 || status == 408 || status == 429;
  }

  private HttpRequest request(String query, byte[] body) {
    String parameters = "?query=" + URLEncoder.encode(query, StandardCharsets.UTF_8);
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(options.url().toString().replaceAll("/+$", "") + "/" + parameters))
            .timeout(options.requestTimeout())
            .POST(HttpRequest.BodyPublishers.ofByteArray(body));
    if (options.user() != null) {
      request.header("X-ClickHouse-User", options.user());
    }
    if (options.password() != null) {
      request.header("X-ClickHouse-Key", options.password());
    }
    return request.build();
  }

  private static String quote(String answer) {
    String line = answer.strip().replaceAll("\\s+", " ");
    return line.length() <= QUOTED_ANSWER ? line : line.substring(0, QUOTED_ANSWER) + "…";
  }
}
