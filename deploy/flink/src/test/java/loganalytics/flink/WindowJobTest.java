package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiterStrategy;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The whole job on a cluster in this process, between a source and sinks of the test's. */
class WindowJobTest {
  private static final int RECORDS = 4_000;
  private static final int BATCHES = 900;
  private static final int WINDOWS = 7;
  private static final int PARALLELISM = 2;

  @RegisterExtension
  static final MiniClusterExtension CLUSTER =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(PARALLELISM)
              .build());

  /** The insight of a batch: always the same, so that a batch that comes again is a duplicate. */
  private static Insight insight(int batch) {
    Random random = new Random(batch);
    Map<String, Long> paths = new HashMap<>();
    long requests = 0;
    for (int i = 0; i <= random.nextInt(4); i++) {
      long count = 1 + random.nextInt(9);
      paths.merge("GET /" + random.nextInt(20), count, Long::sum);
      requests += count;
    }
    long start = Insights.MINUTE + random.nextInt(WINDOWS) * Insight.WINDOW_MS;
    Insight insight = Insights.of("batch-" + batch, start, paths, Map.of("agent-" + random.nextInt(3), requests));
    insight.customerId = "customer-" + random.nextInt(3);
    return insight;
  }

  /** The record at a place of the stream: in random order, most batches several times, one record in a hundred broken. */
  private static Decoded record(long index) {
    Insight insight = insight(index < BATCHES ? (int) index : new Random(index).nextInt(BATCHES));
    byte[] key = insight.recordKey().getBytes(StandardCharsets.US_ASCII);
    byte[] value = index % 100 == 99 ? new byte[] {'x'} : InsightJson.write(insight);
    return RecordDecoder.decode(new ConsumerRecord<>("insight-events", 0, index, key, value));
  }

  private static Map<String, Long> expected() {
    Map<String, Long> counts = new HashMap<>();
    Set<String> counted = new HashSet<>();
    for (long index = 0; index < RECORDS; index++) {
      Insight insight = record(index).insight;
      if (insight != null && counted.add(insight.batchId)) {
        String window = insight.customerId + " " + Instants.formatSeconds(insight.windowStartMs);
        counts.merge(window + " null null", insight.all.requests, Long::sum);
        for (ByDimension by : insight.dimensions) {
          by.keys.forEach(
              (key, count) -> counts.merge(window + " " + by.dimension + " " + key, count.requests, Long::sum));
        }
      }
    }
    return counts;
  }

  private static void run(int failures) throws Exception {
    Collected.clear(failures);
    Configuration configuration = new Configuration();
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, failures);
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(10));
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    environment.setParallelism(PARALLELISM);
    environment.enableCheckpointing(100);
    String[] args = {
      "--kafka", "none:1", "--clickhouse", "http://none:1", "--emit-delay", "PT0.05S", "--out-of-orderness", "P1D"
    };
    WindowJob.build(
        environment,
        JobOptions.parse(args, name -> null),
        new DataGeneratorSource<>(
            WindowJobTest::record, RECORDS, RateLimiterStrategy.perSecond(2_000), TypeInformation.of(Decoded.class)),
        new Collected.Rows(),
        new Collected.Others<>(),
        new Collected.Others<>());
    environment.execute();
  }

  private static void assertExact() {
    Map<String, Long> counts = new HashMap<>();
    Collected.ROWS.forEach((key, row) -> counts.put(key, row.requests));
    assertEquals(expected(), counts);
    assertTrue(Collected.ROWS.values().stream().allMatch(row -> row.complete), "a window was never marked complete");
  }

  @Test
  void duplicatesAndBrokenRecordsChangeNoCount() throws Exception {
    run(0);
    assertExact();
    assertEquals(RECORDS / 100, Collected.OTHERS.stream().filter(DeadLetter.class::isInstance).count());
    assertEquals(RECORDS / 100, Collected.OTHERS.size());
  }

  @Test
  void failuresAndRestartsChangeNoCount() throws Exception {
    run(4);
    assertTrue(Collected.FAILURES.get() < 0, "it never failed");
    assertExact();
  }
}
