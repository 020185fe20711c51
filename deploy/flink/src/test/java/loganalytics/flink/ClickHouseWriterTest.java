package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.flink.streaming.runtime.tasks.TestProcessingTimeService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Rows are gathered, sent when it is time, and all of them are there after a flush. */
class ClickHouseWriterTest {
  private static final long LINGER_MS = 500;
  private static final long TIMEOUT_S = 30;

  private final List<String> inserts = Collections.synchronizedList(new ArrayList<>());
  private final TestProcessingTimeService time = new TestProcessingTimeService();
  private volatile CountDownLatch blocked = new CountDownLatch(0);
  private volatile IOException failing;
  private ClickHouseWriter writer;

  @BeforeEach
  void open() throws Exception {
    time.setCurrentTime(0);
    writer = writer(10_000, 2);
  }

  @AfterEach
  void close() {
    writer.close();
  }

  private ClickHouseWriter writer(int batchBytes, int inFlight) {
    ClickHouseOptions options =
        new ClickHouseOptions(
            URI.create("http://127.0.0.1:1"), "db", null, null, batchBytes, Duration.ofMillis(LINGER_MS), inFlight,
            Duration.ofSeconds(1), Duration.ofSeconds(1));
    return new ClickHouseWriter(
        (table, rows) -> {
          blocked.await();
          if (failing != null) {
            throw failing;
          }
          inserts.add(table + ":" + new String(rows, StandardCharsets.UTF_8));
        },
        options,
        time,
        new SimpleCounter());
  }

  private static WindowRow row(String key, long requests) {
    WindowRow row = totals(requests);
    row.dimension = "path";
    row.key = key;
    return row;
  }

  private static WindowRow totals(long requests) {
    WindowRow row = new WindowRow();
    row.customerId = "demo";
    row.windowStartMs = Insights.MINUTE;
    row.requests = requests;
    row.measures = new Measures();
    row.robotMeasures = new Measures();
    row.visitors = "";
    row.folded = Map.of();
    row.version = 7;
    row.complete = true;
    return row;
  }

  @Test
  void aFlushWaitsUntilAllIsInserted() throws Exception {
    writer.write(row("GET /\"ä\"\n", 3), null);
    writer.write(row("GET /b", 4), null);
    writer.write(totals(7), null);
    assertEquals(List.of(), inserts);
    writer.flush(false);
    assertEquals(2, inserts.size());
    String paths = inserts.stream().filter(insert -> insert.startsWith("minute_keys:")).findFirst().orElseThrow();
    String[] lines = paths.substring("minute_keys:".length()).split("\n");
    assertEquals(2, lines.length);
    JsonNode first = Examples.JSON.readTree(lines[0]);
    assertEquals("GET /\"ä\"\n", first.get("key").asText());
    assertEquals(Insights.MINUTE / 1000, first.get("window_start").asLong());
    assertEquals("demo", first.get("customer").asText());
    assertEquals("path", first.get("dimension").asText());
    assertEquals(3, first.get("requests").asLong());
    assertEquals(7, first.get("version").asLong());
    assertEquals(1, first.get("final").asLong());
    writer.flush(true);
    assertEquals(2, inserts.size());
  }

  @Test
  void aRowHasAColumnForEverythingAWindowHolds() throws Exception {
    WindowRow row = totals(3);
    row.robots = 1;
    row.measures.merge(measures(7, 9, new int[] {200, 404, Measures.ZERO_DURATION, Measures.cellOfBucket(-22)}));
    row.robotMeasures.merge(measures(5, 0, new int[] {404}));
    row.visitors = "--0-00";
    row.folded = Map.of("path", 4L);
    writer.write(row, null);
    writer.flush(false);
    String expected =
        "minute_totals:{\"customer\":\"demo\",\"window_start\":" + Insights.MINUTE / 1000
            + ",\"requests\":3,\"robots\":1,\"response_bytes\":7,\"duration_micros\":9,\"status\":{\"200\":1,\"404\":1},"
            + "\"zero_durations\":1,\"buckets\":{\"-22\":1},\"robot_response_bytes\":5,\"robot_duration_micros\":0,"
            + "\"robot_status\":{\"404\":1},\"robot_buckets\":{},\"visitors\":{\"0\":1,\"1\":1},\"folded\":{\"path\":4},"
            + "\"version\":7,\"final\":1}";
    assertEquals(List.of(expected), inserts.stream().map(String::strip).toList());
  }

  private static Measures measures(long bytes, long micros, int[] cells) {
    Measures measures = new Measures();
    measures.responseBytes = bytes;
    measures.durationMicros = micros;
    measures.cells = cells;
    measures.counts = new long[cells.length];
    Arrays.fill(measures.counts, 1);
    return measures;
  }

  @Test
  void rowsDoNotWaitLongerThanTheyLinger() throws Exception {
    writer.write(row("GET /", 1), null);
    time.setCurrentTime(LINGER_MS - 1);
    assertEquals(List.of(), inserts);
    time.setCurrentTime(LINGER_MS);
    awaitInserts(1);
    writer.write(row("GET /", 2), null);
    time.setCurrentTime(2 * LINGER_MS - 1);
    assertEquals(1, inserts.size());
    time.setCurrentTime(2 * LINGER_MS);
    awaitInserts(2);
  }

  /** Waits for inserts that nobody has asked to be flushed. */
  private void awaitInserts(int count) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_S);
    while (inserts.size() < count && System.nanoTime() < deadline) {
      Thread.onSpinWait();
    }
    assertEquals(count, inserts.size());
  }

  @Test
  void aFullBatchIsSentAtOnce() throws Exception {
    writer.close();
    writer = writer(1, 2);
    blocked = new CountDownLatch(1);
    writer.write(row("GET /", 1), null);
    writer.write(row("GET /", 2), null);
    blocked.countDown();
    writer.flush(false);
    assertEquals(2, inserts.size());
  }

  @Test
  void whenNoInsertIsFreeAWriteWaits() throws Exception {
    writer.close();
    writer = writer(1, 1);
    blocked = new CountDownLatch(1);
    writer.write(row("GET /", 1), null);
    Thread second =
        new Thread(
            () -> {
              try {
                writer.write(row("GET /", 2), null);
              } catch (IOException | InterruptedException error) {
                throw new IllegalStateException(error);
              }
            });
    second.start();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_S);
    while (second.getState() != Thread.State.WAITING && System.nanoTime() < deadline) {
      Thread.onSpinWait();
    }
    assertEquals(Thread.State.WAITING, second.getState());
    blocked.countDown();
    second.join(TimeUnit.SECONDS.toMillis(TIMEOUT_S));
    assertFalse(second.isAlive());
    writer.flush(false);
    assertEquals(2, inserts.size());
  }

  @Test
  void aFailedInsertFailsTheNextCall() throws Exception {
    failing = new IOException("no");
    writer.write(totals(1), null);
    IOException failure = assertThrows(IOException.class, () -> writer.flush(false));
    assertEquals("no", failure.getCause().getMessage());
    failing = null;
    assertThrows(IOException.class, () -> writer.write(totals(1), null));
    assertTrue(inserts.isEmpty());
  }
}
