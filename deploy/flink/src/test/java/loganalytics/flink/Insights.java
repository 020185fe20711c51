package loganalytics.flink;

import java.util.List;
import java.util.Map;

/** Insights for tests. */
final class Insights {
  /** A minute: 2025-12-28T18:03:00Z. */
  static final long MINUTE = 1_766_944_980_000L;

  static final String FINGERPRINT = "da1d93685afc973644377cc533b4630c";

  private Insights() {}

  /** An insight of customer {@code demo}, received a second after its window. */
  static Insight of(String batch, long windowStartMs, Map<String, Long> paths, Map<String, Long> agents) {
    Insight insight = new Insight();
    insight.customerId = "demo";
    insight.batchId = batch;
    insight.fingerprint = FINGERPRINT;
    insight.windowStartMs = windowStartMs;
    insight.receivedAtMs = windowStartMs + Insight.WINDOW_MS + 1_000;
    insight.all.requests = paths.values().stream().mapToLong(Long::longValue).sum();
    insight.dimensions = List.of(by("path", paths), by("userAgent", agents));
    return insight;
  }

  static ByDimension by(String dimension, Map<String, Long> counts) {
    ByDimension by = new ByDimension();
    by.dimension = dimension;
    counts.forEach(
        (key, requests) -> {
          KeyCounts of = new KeyCounts();
          of.requests = requests;
          by.keys.put(key, of);
        });
    return by;
  }

  /** One with a single path, all of one agent. */
  static Insight of(String batch, long windowStartMs, String path, long requests) {
    return of(batch, windowStartMs, Map.of(path, requests), Map.of("curl", requests));
  }
}
