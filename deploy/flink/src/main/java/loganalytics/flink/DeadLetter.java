package loganalytics.flink;

/**
 * A record that is no insight, on its way to the topic {@code dead-letters}: the record as it was, where it came from and
 * what is wrong with it. A POJO for Flink, like {@link Insight}.
 */
public class DeadLetter {
  /** Key and value, byte for byte; either may be missing. */
  public byte[] key;

  public byte[] value;

  public String topic;
  public int partition;
  public long offset;

  /** When it was found, in milliseconds since 1970. */
  public long failedAtMs;

  /** A sentence for a person. */
  public String reason;
}
