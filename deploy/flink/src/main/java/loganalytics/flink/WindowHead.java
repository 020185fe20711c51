package loganalytics.flink;

/** What a window's state says about the window as a whole. A POJO for Flink, so that fields may be added later. */
public class WindowHead {
  /** Distinct batches counted. */
  public long batches;

  /** Distinct paths and families kept, {@code (other)} included. */
  public int paths;

  public int agents;

  /** UTF-8 bytes of all keys kept. */
  public long keyBytes;

  /** Whether the watermark has passed the window's end. */
  public boolean complete;

  /** Whether a timer will emit what has changed. */
  public boolean emissionDue;

  /** The version of rows emitted now. */
  long version() {
    return 2 * batches + (complete ? 1 : 0);
  }
}
