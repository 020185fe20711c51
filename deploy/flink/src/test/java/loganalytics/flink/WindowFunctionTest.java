package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.operators.KeyedProcessOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a window counts, when it says so, how long it lives and what a restart does to it. */
class WindowFunctionTest {
  private static final long MINUTE = Insights.MINUTE;
  private static final long END = MINUTE + Insight.WINDOW_MS;
  private static final Duration LATENESS = Duration.ofHours(2);
  private static final long DROPPED = END + LATENESS.toMillis();
  private static final long EMIT_DELAY_MS = 1_000;

  private KeyedOneInputStreamOperatorTestHarness<Tuple2<String, Long>, Insight, WindowRow> harness;

  @BeforeEach
  void open() throws Exception {
    harness = open(WindowLimits.DEFAULT, null);
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private static KeyedOneInputStreamOperatorTestHarness<Tuple2<String, Long>, Insight, WindowRow> open(
      WindowLimits limits, OperatorSubtaskState state) throws Exception {
    WindowFunction function = new WindowFunction(Duration.ofMillis(EMIT_DELAY_MS), LATENESS, limits);
    var harness =
        new KeyedOneInputStreamOperatorTestHarness<>(
            new KeyedProcessOperator<>(function), WindowFunction.key(), WindowFunction.keyType());
    harness.setup();
    if (state != null) {
      harness.initializeState(state);
    }
    harness.open();
    return harness;
  }

  /** Ends the function as a crash would, and goes on from its last checkpoint. */
  private void restart() throws Exception {
    OperatorSubtaskState state = harness.snapshot(1, 1);
    harness.close();
    harness = open(WindowLimits.DEFAULT, state);
  }

  private void send(Insight insight) throws Exception {
    harness.processElement(insight, insight.eventTimeMs());
  }

  private void emissionDelayPasses() throws Exception {
    harness.setProcessingTime(harness.getProcessingTime() + EMIT_DELAY_MS);
  }

  /**
   * The rows emitted since the last call, as {@code key=requests@version}, {@code *} if complete; sorted. Every emission of keys
   * comes with the window's totals, {@code =requests@version}, which are left out.
   */
  private String rows() {
    List<String> rows = new ArrayList<>();
    boolean totals = false;
    for (WindowRow row : harness.extractOutputValues()) {
      totals |= row.isTotals();
      if (!row.isTotals()) {
        rows.add(row.key + "=" + row.requests + "@" + row.version + (row.complete ? "*" : ""));
      }
    }
    assertEquals(totals, !rows.isEmpty(), "totals and keys are emitted together");
    Collections.sort(rows);
    harness.getOutput().clear();
    return String.join(" ", rows);
  }

  private List<String> lateBatches() {
    List<String> late = new ArrayList<>();
    Queue<StreamRecord<Insight>> output = harness.getSideOutput(WindowFunction.LATE);
    if (output != null) {
      output.forEach(record -> late.add(record.getValue().batchId));
    }
    return late;
  }

  @Test
  void rowsAreAbsoluteAndComeSoonAfterAChange() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    send(Insights.of("b", MINUTE, "GET /", 3));
    assertEquals("", rows());
    emissionDelayPasses();
    assertEquals("GET /=5@4 curl=5@4", rows());
    emissionDelayPasses();
    assertEquals("", rows());
  }

  @Test
  void onlyChangedKeysAreEmitted() throws Exception {
    send(Insights.of("a", MINUTE, Map.of("GET /", 2L, "GET /b", 1L), Map.of("curl", 3L)));
    emissionDelayPasses();
    assertEquals("GET /=2@2 GET /b=1@2 curl=3@2", rows());
    send(Insights.of("b", MINUTE, Map.of("GET /b", 4L), Map.of("Chrome", 4L)));
    emissionDelayPasses();
    assertEquals("Chrome=4@4 GET /b=5@4", rows());
  }

  @Test
  void rowsNameTheirWindow() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    emissionDelayPasses();
    List<WindowRow> rows = harness.extractOutputValues();
    assertEquals(3, rows.size());
    for (WindowRow row : rows) {
      assertEquals("demo", row.customerId);
      assertEquals(MINUTE, row.windowStartMs);
    }
    assertEquals(
        Arrays.asList(null, "path GET /", "userAgent curl"),
        rows.stream().map(row -> row.isTotals() ? null : row.dimension + " " + row.key).toList());
  }

  @Test
  void aBatchIsCountedOnceHoweverOftenItComes() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    send(Insights.of("a", MINUTE, "GET /", 2));
    emissionDelayPasses();
    assertEquals("GET /=2@2 curl=2@2", rows());
    restart();
    harness.processWatermark(END + Duration.ofHours(1).toMillis());
    rows();
    send(Insights.of("a", MINUTE, "GET /", 2));
    emissionDelayPasses();
    assertEquals("", rows());
    assertEquals(List.of(), lateBatches());
  }

  @Test
  void aBatchCountsInEachOfItsWindowsAndOfItsCustomers() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    send(Insights.of("a", END, "GET /", 3));
    Insight other = Insights.of("a", MINUTE, "GET /", 7);
    other.customerId = "other";
    send(other);
    emissionDelayPasses();
    Map<String, Long> counts = new HashMap<>();
    for (WindowRow row : harness.extractOutputValues()) {
      counts.put(row.customerId + " " + row.windowStartMs + " " + row.key, row.requests);
    }
    Map<String, Long> expected =
        Map.of(
            "demo " + MINUTE + " GET /", 2L, "demo " + MINUTE + " null", 2L, "demo " + MINUTE + " curl", 2L,
            "demo " + END + " GET /", 3L, "demo " + END + " null", 3L, "demo " + END + " curl", 3L,
            "other " + MINUTE + " GET /", 7L, "other " + MINUTE + " null", 7L, "other " + MINUTE + " curl", 7L);
    assertEquals(expected, counts);
  }

  @Test
  void theFinalMarkComesWithAllRowsWhenTheWatermarkPassesTheEnd() throws Exception {
    send(Insights.of("a", MINUTE, Map.of("GET /", 2L, "GET /b", 1L), Map.of("curl", 3L)));
    emissionDelayPasses();
    rows();
    send(Insights.of("b", MINUTE, "GET /", 1));
    harness.processWatermark(END - 1);
    assertEquals("", rows());
    harness.processWatermark(END);
    assertEquals("GET /=3@5* GET /b=1@5* curl=4@5*", rows());
    emissionDelayPasses();
    assertEquals("", rows());
  }

  @Test
  void aLateInsightIsCountedWhileStateLives() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(DROPPED - 1);
    rows();
    send(Insights.of("b", MINUTE, "GET /", 1));
    emissionDelayPasses();
    assertEquals("GET /=3@5* curl=3@5*", rows());
    assertEquals(List.of(), lateBatches());
  }

  @Test
  void aWindowThatBeginsLateIsCountedAndMarkedComplete() throws Exception {
    harness.processWatermark(DROPPED - 2);
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(DROPPED - 1);
    assertEquals("GET /=2@3* curl=2@3*", rows());
  }

  @Test
  void anInsightOfADroppedWindowGoesAside() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(DROPPED);
    rows();
    assertEquals(0, harness.numKeyedStateEntries());
    assertEquals(0, harness.numEventTimeTimers());
    send(Insights.of("b", MINUTE, "GET /", 1));
    emissionDelayPasses();
    assertEquals("", rows());
    assertEquals(List.of("b"), lateBatches());
    assertEquals(0, harness.numKeyedStateEntries());
  }

  @Test
  void anInsightWithoutAWindowGoesAsideOnlyOnceItsStateWouldBeGone() throws Exception {
    harness.processWatermark(DROPPED - 1);
    send(Insights.of("in time", MINUTE, "GET /", 1));
    assertEquals(List.of(), lateBatches());
    send(Insights.of("too late", MINUTE - Insight.WINDOW_MS, "GET /", 1));
    assertEquals(List.of("too late"), lateBatches());
  }

  @Test
  void whatHasChangedIsEmittedBeforeTheWindowIsDropped() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(DROPPED - 1);
    rows();
    send(Insights.of("b", MINUTE, "GET /", 1));
    harness.processWatermark(DROPPED);
    assertEquals("GET /=3@5* curl=3@5*", rows());
  }

  @Test
  void aRestartGoesOnCountingAndEmitsWhatWasDue() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    restart();
    send(Insights.of("b", MINUTE, "GET /", 1));
    emissionDelayPasses();
    assertEquals("GET /=3@4 curl=3@4", rows());
  }

  @Test
  void whatHadChangedBeforeARestartIsEmittedThoughOtherKeysChangeAfterIt() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    restart();
    send(Insights.of("b", MINUTE, "GET /b", 1));
    emissionDelayPasses();
    assertEquals("GET /=2@4 GET /b=1@4 curl=3@4", rows());
    send(Insights.of("c", MINUTE, "GET /b", 1));
    emissionDelayPasses();
    assertEquals("GET /b=2@6 curl=4@6", rows());
  }

  @Test
  void whatWasEmittedWithTheFinalMarkIsNotEmittedAgainWithoutAChange() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(END);
    assertEquals("GET /=2@3* curl=2@3*", rows());
    send(Insights.of("b", MINUTE, "GET /b", 1));
    emissionDelayPasses();
    assertEquals("GET /b=1@5* curl=3@5*", rows());
    harness.processWatermark(DROPPED);
    assertEquals("", rows());
  }

  @Test
  void aRestartWithNothingDueEmitsNothing() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    emissionDelayPasses();
    rows();
    restart();
    send(Insights.of("b", MINUTE, "GET /b", 1));
    emissionDelayPasses();
    assertEquals("GET /b=1@4 curl=3@4", rows());
  }

  @Test
  void aLateInsightJustAfterARestartStaysLate() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(DROPPED);
    restart();
    rows();
    // No watermark has come yet: Flink itself knows none after a restart.
    send(Insights.of("b", MINUTE, "GET /", 1));
    emissionDelayPasses();
    assertEquals("", rows());
    assertEquals(List.of("b"), lateBatches());
  }

  @Test
  void aWindowWithStateIsCountedJustAfterARestartHoweverOld() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(DROPPED - 1);
    restart();
    send(Insights.of("b", MINUTE, "GET /", 1));
    emissionDelayPasses();
    assertEquals("GET /=3@5* curl=3@5*", rows());
  }

  @Test
  void theHighestWatermarkSurvivesASecondRestartWithoutAnyRecord() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.processWatermark(DROPPED);
    restart();
    restart();
    send(Insights.of("b", MINUTE, "GET /", 1));
    assertEquals(List.of("b"), lateBatches());
  }

  @Test
  void everythingAWindowHoldsIsMerged() throws Exception {
    byte[] record = Files.readAllBytes(Examples.insights("good").get(0));
    for (String batch : List.of("a", "b")) {
      Insight insight = InsightJson.read(record);
      insight.batchId = batch;
      insight.visitors = batch.equals("a") ? "--0-00" : "--2-10";
      send(insight);
    }
    emissionDelayPasses();
    Map<String, WindowRow> rows = new HashMap<>();
    for (WindowRow row : harness.extractOutputValues()) {
      rows.put(row.isTotals() ? "" : row.dimension + " " + row.key, row);
    }
    WindowRow totals = rows.get("");
    assertEquals(6, totals.requests);
    assertEquals(2, totals.robots);
    assertEquals("--2-00-10", totals.visitors);
    assertEquals(Long.MAX_VALUE, totals.measures.responseBytes, "a sum stays at the largest number");
    assertEquals(2 * 1_290_000, totals.measures.durationMicros);
    int[] cells = {200, 404, Measures.ZERO_DURATION, Measures.cellOfBucket(-159), Measures.cellOfBucket(-1)};
    assertArrayEquals(cells, totals.measures.cells);
    assertArrayEquals(new long[] {4, 2, 2, 2, 2}, totals.measures.counts);
    assertArrayEquals(new int[] {404}, totals.robotMeasures.cells);
    assertEquals(4, rows.get("host example.com").requests);
    assertEquals(2, rows.get("path GET /x").robots);
    assertArrayEquals(new long[] {2}, rows.get("path GET /x").measures.counts);
    assertEquals(6, rows.size());
  }

  /** A window of four paths that is folded down to three keys; each batch has one path. */
  private void sendFour() throws Exception {
    harness.close();
    harness = open(new WindowLimits(4, 10_000), null);
    send(Insights.of("a", MINUTE, "GET /a", 1));
    send(Insights.of("b", MINUTE, "GET /b", 5));
    send(Insights.of("c", MINUTE, "GET /c", 3));
    send(Insights.of("d", MINUTE, "GET /d", 2));
  }

  @Test
  void aFullDimensionKeepsItsBiggestKeysAndSaysWhichOnesItFolded() throws Exception {
    sendFour();
    emissionDelayPasses();
    assertEquals("GET /a=1@8 GET /b=5@8 GET /c=3@8 GET /d=2@8 curl=11@8", rows());
    send(Insights.of("e", MINUTE, "GET /e", 9));
    emissionDelayPasses();
    WindowRow totals = harness.extractOutputValues().get(0);
    assertEquals(Map.of("path", 2L), totals.folded, "the most requests of a folded key");
    assertEquals("(other)=3@10 GET /a=0@10 GET /d=0@10 GET /e=9@10 curl=20@10", rows());
    harness.processWatermark(END);
    assertEquals("(other)=3@11* GET /b=5@11* GET /c=3@11* GET /e=9@11* curl=20@11*", rows());
    // One that was folded comes again.
    send(Insights.of("f", MINUTE, "GET /a", 4));
    emissionDelayPasses();
    assertEquals("GET /a=4@13* curl=24@13*", rows());
  }

  @Test
  void aKeyThatWasFoldedJustBeforeARestartIsEmittedAsFoldedAfterIt() throws Exception {
    sendFour();
    emissionDelayPasses();
    rows();
    send(Insights.of("e", MINUTE, "GET /e", 9));
    // The clock of the new process begins at zero, before the timer.
    restart();
    emissionDelayPasses();
    emissionDelayPasses();
    assertEquals(
        "(other)=3@10 GET /a=0@10 GET /b=5@10 GET /c=3@10 GET /d=0@10 GET /e=9@10 curl=20@10", rows());
    send(Insights.of("f", MINUTE, "GET /b", 1));
    emissionDelayPasses();
    assertEquals("GET /b=6@12 curl=21@12", rows());
  }

  @Test
  void keysWhoseEveryRequestWasAClientErrorAreFoldedFirstAndBytesAreALimitToo() throws Exception {
    harness.close();
    // Fourteen bytes of keys and one cell are 22.
    harness = open(new WindowLimits(100, 22), null);
    Insight scanned = Insights.of("a", MINUTE, "GET /.git", 9);
    Measures notFound = scanned.dimensions.get(0).keys.get("GET /.git").measures;
    notFound.cells = new int[] {404};
    notFound.counts = new long[] {9};
    send(scanned);
    send(Insights.of("b", MINUTE, "GET /", 1));
    emissionDelayPasses();
    assertEquals("GET /.git=9@4 GET /=1@4 curl=10@4", rows());
    send(Insights.of("c", MINUTE, "GET /b", 2));
    emissionDelayPasses();
    assertEquals("(other)=9@6 GET /.git=0@6 GET /b=2@6 curl=12@6", rows());
  }

  @Test
  void ofTwoWindowsNeitherWaitsForTheOther() throws Exception {
    send(Insights.of("a", MINUTE, "GET /", 2));
    harness.setProcessingTime(harness.getProcessingTime() + EMIT_DELAY_MS / 2);
    send(Insights.of("b", END, "GET /", 3));
    harness.setProcessingTime(harness.getProcessingTime() + EMIT_DELAY_MS / 2);
    assertEquals("GET /=2@2 curl=2@2", rows());
    harness.setProcessingTime(harness.getProcessingTime() + EMIT_DELAY_MS / 2);
    assertEquals("GET /=3@2 curl=3@2", rows());
    assertNull(harness.getSideOutput(WindowFunction.LATE));
  }
}
