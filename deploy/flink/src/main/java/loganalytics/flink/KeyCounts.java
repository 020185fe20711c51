package loganalytics.flink;

/** What is counted under one key of a dimension. A POJO for Flink, like {@link Insight}. */
public class KeyCounts {
  /** Zero: the key was folded, and its row has not been emitted since. */
  public long requests;

  /** How many of them were of robots. */
  public long robots;

  /** Empty in dimensions that are not measured. */
  public Measures measures = new Measures();

  void merge(KeyCounts other) {
    requests = Sums.add(requests, other.requests);
    robots = Sums.add(robots, other.robots);
    measures.merge(other.measures);
  }
}
