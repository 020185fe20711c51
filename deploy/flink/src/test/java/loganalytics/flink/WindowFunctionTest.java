package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeSet;
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

  /** The rows emitted since the last call, as {@code key=requests@version}, {@code *} if complete; sorted. */
  private String rows() {
    TreeSet<String> rows = new TreeSet<>();
    for (WindowRow row : harness.extractOutputValues()) {
      rows.add(row.key + "=" + row.requests + "@" + row.version + (row.complete ? "*" : ""));
    }
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
    assertEquals(2, rows.size());
    for (WindowRow row : rows) {
      assertEquals("demo", row.customerId);
      assertEquals(MINUTE, row.windowStartMs);
      assertEquals(row.key.equals("curl") ? WindowRow.Dimension.AGENT : WindowRow.Dimension.PATH, row.dimension);
    }
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
            "demo " + MINUTE + " GET /", 2L, "demo " + MINUTE + " curl", 2L,
            "demo " + END + " GET /", 3L, "demo " + END + " curl", 3L,
            "other " + MINUTE + " GET /", 7L, "other " + MINUTE + " curl", 7L);
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
  void keysBeyondTheLimitsCountUnderOtherAndSumsStayExact() throws Exception {
    harness.close();
    harness = open(new WindowLimits(2, 1, 1_000), null);
    send(Insights.of("a", MINUTE, Map.of("GET /a", 1L, "GET /b", 2L), Map.of("curl", 3L)));
    send(Insights.of("b", MINUTE, Map.of("GET /c", 4L, "GET /b", 1L), Map.of("Chrome", 5L)));
    send(Insights.of("c", MINUTE, Map.of("GET /d", 8L), Map.of("curl", 8L)));
    emissionDelayPasses();
    assertEquals("(other)=12@6 (other)=5@6 GET /a=1@6 GET /b=3@6 curl=11@6", rows());
  }

  @Test
  void keysBeyondTheBytesOfAWindowCountUnderOther() throws Exception {
    harness.close();
    harness = open(new WindowLimits(100, 100, 10), null);
    send(Insights.of("a", MINUTE, Map.of("GET /a", 1L), Map.of("curl", 1L)));
    send(Insights.of("b", MINUTE, Map.of("GET /b", 2L), Map.of("curl", 2L)));
    emissionDelayPasses();
    String rows = rows();
    assertTrue(rows.contains("(other)=2@4") && rows.contains("curl=3@4"), rows);
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
