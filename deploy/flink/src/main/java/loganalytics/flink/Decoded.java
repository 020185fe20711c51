package loganalytics.flink;

/**
 * What became of one record of the topic: an insight or a dead letter; the other is null.
 *
 * <p>The source must read insights itself (and not leave that to a later step), because watermarks are made per partition
 * inside it. A POJO for Flink, like {@link Insight}.
 */
public class Decoded {
  public Insight insight;
  public DeadLetter deadLetter;

  static Decoded of(Insight insight) {
    Decoded decoded = new Decoded();
    decoded.insight = insight;
    return decoded;
  }

  static Decoded of(DeadLetter deadLetter) {
    Decoded decoded = new Decoded();
    decoded.deadLetter = deadLetter;
    return decoded;
  }

  /** Event time in milliseconds. Dead letters have none, and never push a watermark. */
  long eventTimeMs() {
    return insight == null ? Long.MIN_VALUE : insight.eventTimeMs();
  }
}
