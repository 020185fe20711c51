package loganalytics.flink;

/**
 * The count of one key in one window, absolute, as of a version: a row for ClickHouse. Of two rows of a key the one with the
 * higher version tells more; of equal versions both tell the same. A POJO for Flink, like {@link Insight}.
 */
public class WindowRow {
  /** What a row counts by; each has a table. */
  public enum Dimension {
    PATH,
    AGENT
  }

  public Dimension dimension;
  public String customerId;
  public long windowStartMs;

  /** The path (with its method) or the family of user agents. */
  public String key;

  public long requests;

  /** Twice the distinct batches counted, plus one once the window is final. */
  public long version;

  /** Whether the watermark had passed the window's end: complete, but for late insights. */
  public boolean complete;
}
