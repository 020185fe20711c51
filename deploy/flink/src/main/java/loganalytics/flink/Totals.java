package loganalytics.flink;

/** The requests of a window, or those of robots, and what was measured of them. A POJO for Flink, like {@link Insight}. */
public class Totals {
  public long requests;
  public Measures measures = new Measures();

  void merge(Totals other) {
    requests = Sums.add(requests, other.requests);
    measures.merge(other.measures);
  }
}
