package loganalytics.flink;

import java.util.Map;

/**
 * A row for ClickHouse: the counts of one key in one window, or of the window as a whole; absolute, as of a version. Of two
 * rows of a key the one with the higher version tells more; of equal versions both tell the same. A POJO for Flink, like {@link
 * Insight}.
 */
public class WindowRow {
  public String customerId;
  public long windowStartMs;

  /** Null for the window as a whole. */
  public String dimension;

  /** Null for the window as a whole. */
  public String key;

  /** Zero: the key was folded. */
  public long requests;

  public Measures measures;

  /** How many of the requests were of robots. */
  public long robots;

  /** Of the window as a whole: what was measured of robots. */
  public Measures robotMeasures;

  /** Of the window as a whole: see {@link Visitors}. */
  public String visitors;

  /** Of the window as a whole: see {@link WindowHead#folded}. */
  public Map<String, Long> folded;

  /** Twice the distinct batches counted, plus one once the window is final. */
  public long version;

  /** Whether the watermark had passed the window's end: complete, but for late insights. */
  public boolean complete;

  /** Whether this is about the window as a whole. */
  boolean isTotals() {
    return dimension == null;
  }
}
