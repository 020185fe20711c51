package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Inserts are tried again while that makes sense, and say what ClickHouse said when it does not. */
class ClickHouseClientTest {
  private final Queue<Integer> answers = new ArrayDeque<>();
  private final List<String> received = new ArrayList<>();
  private HttpServer server;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String query = URLDecoder.decode(exchange.getRequestURI().getRawQuery(), StandardCharsets.UTF_8);
          String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          received.add(query + "|" + exchange.getRequestHeaders().getFirst("X-ClickHouse-Key") + "|" + body);
          byte[] answer = "Code: 62. DB::Exception: some words".getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(answers.remove(), answer.length);
          exchange.getResponseBody().write(answer);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private static ClickHouseClient client(int port, Duration retryFor) {
    URI url = URI.create("http://127.0.0.1:" + port);
    return new ClickHouseClient(
        new ClickHouseOptions(
            url, "db", "me", "secret", 1_000, Duration.ZERO, 1, Duration.ofSeconds(5), retryFor));
  }

  private ClickHouseClient client(Duration retryFor) {
    return client(server.getAddress().getPort(), retryFor);
  }

  @Test
  void rowsGoIntoTheirTableUnderTheUsersName() throws Exception {
    answers.add(200);
    client(Duration.ZERO).insert("minute_keys", "{}\n".getBytes(StandardCharsets.UTF_8));
    assertEquals(List.of("query=INSERT INTO db.minute_keys FORMAT JSONEachRow|secret|{}\n"), received);
  }

  @Test
  void whatMayPassIsTriedAgain() throws Exception {
    answers.addAll(List.of(500, 503, 429, 200));
    client(Duration.ofMinutes(1)).insert("t", new byte[] {'x'});
    assertEquals(4, received.size());
  }

  @Test
  void aRefusalIsFinalAndQuoted() {
    answers.add(400);
    IOException refusal =
        assertThrows(ClickHouseClient.Refused.class, () -> client(Duration.ofMinutes(1)).insert("t", new byte[] {'x'}));
    assertTrue(refusal.getMessage().contains("400 Code: 62. DB::Exception: some words"), refusal.getMessage());
    assertEquals(1, received.size());
  }

  @Test
  void afterItsTimeAnInsertFails() {
    answers.addAll(List.of(500, 500, 500, 500, 500, 500));
    IOException failure =
        assertThrows(IOException.class, () -> client(Duration.ofMillis(150)).insert("t", new byte[] {'x'}));
    assertTrue(failure.getMessage().contains("some words"), failure.getMessage());
    assertTrue(received.size() > 1, "it was tried " + received.size() + " times");
  }

  @Test
  void aServerThatIsNotThereIsTriedAgainToo() throws Exception {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    IOException failure =
        assertThrows(IOException.class, () -> client(port, Duration.ofMillis(150)).insert("t", new byte[] {'x'}));
    assertTrue(failure.getMessage().contains("fails for PT0.15S"), failure.getMessage());
  }
}
