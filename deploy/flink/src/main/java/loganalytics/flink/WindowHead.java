package loganalytics.flink;

import java.util.HashMap;
import java.util.Map;

/** What a window's state says about the window as a whole. A POJO for Flink, so that fields may be added later. */
public class WindowHead {
  /** Distinct batches counted. */
  public long batches;

  /** All requests. */
  public Totals all = new Totals();

  /** Those of robots. */
  public Totals robots = new Totals();

  /** Who the others came from, see {@link Visitors}. */
  public String visitors = "";

  /** By dimension: how much a key's true count may be above the one emitted. */
  public Map<String, Long> folded = new HashMap<>();

  /** By dimension: how much is kept. */
  public Map<String, TableSize> tables = new HashMap<>();

  /** Whether the watermark has passed the window's end. */
  public boolean complete;

  /** Whether a timer will emit what has changed. */
  public boolean emissionDue;

  /** The version of rows emitted now. */
  long version() {
    return 2 * batches + (complete ? 1 : 0);
  }

  /** Adds what an insight says about the window as a whole. */
  void addTotals(Insight insight) {
    batches++;
    all.merge(insight.all);
    robots.merge(insight.robots);
    visitors = Visitors.merge(visitors, insight.visitors);
  }
}
