package loganalytics.flink;

import java.util.HashMap;
import java.util.Map;

/** What a batch counts in a window by the keys of one dimension. A POJO for Flink, like {@link Insight}. */
public class ByDimension {
  /** {@code path}, {@code userAgent}, … */
  public String dimension;

  /** They sum to the requests, or to less where not every entry has a key. */
  public Map<String, KeyCounts> keys = new HashMap<>();
}
