package loganalytics.flink;

/** How much a window keeps of one dimension, {@code (other)} left out. A POJO for Flink, like {@link Insight}. */
public class TableSize {
  public int keys;

  /** UTF-8 bytes of the keys, and 8 for each cell of their measures. */
  public long bytes;
}
