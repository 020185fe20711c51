package loganalytics.flink;

import java.util.ArrayList;
import java.util.List;

/**
 * One minute window of one batch: what to add to that window, once per batch id.
 *
 * <p>A value of the topics {@code insight-events} and {@code late-insights} (see {@code deploy/schemas}), checked when it was
 * read. Flink serializes it field by field (a POJO), hence the public fields; nobody changes them after {@link InsightJson}
 * has set them.
 */
public class Insight {
  /** Length of a window, in milliseconds. */
  public static final long WINDOW_MS = 60_000;

  public String customerId;
  public String batchId;

  /** XXH3-128 of the batch's body, in hexadecimal: only carried along. */
  public String fingerprint;

  /** When the window begins, in milliseconds since 1970. */
  public long windowStartMs;

  /** When the batch was received, in milliseconds since 1970. */
  public long receivedAtMs;

  /** Entries of the batch in this window. */
  public Totals all = new Totals();

  /** Those of robots. */
  public Totals robots = new Totals();

  /** Who the others came from, see {@link Visitors}. */
  public String visitors = "";

  /** In the order in which the record has them. */
  public List<ByDimension> dimensions = new ArrayList<>();

  /**
   * The insight's event time. Entries may be dated into the future, and one such entry must not push the watermark past the
   * clock: the time of receipt bounds it.
   */
  public long eventTimeMs() {
    return Math.min(windowStartMs, receivedAtMs);
  }

  /** The key of its Kafka record, which decides its partition: all insights of a window are in one. */
  public String recordKey() {
    return customerId + "|minute|" + Instants.formatSeconds(windowStartMs);
  }
}
