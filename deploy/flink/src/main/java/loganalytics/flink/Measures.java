package loganalytics.flink;

import java.util.Arrays;

/**
 * What is measured of requests: bytes, durations, and how many had which status and took how long. Sums, which merge in any
 * order. A POJO for Flink, like {@link Insight}.
 *
 * <p>A cell is a status code (0 to 999), the zero bucket of durations (1000), or a bucket of the histogram (from 1001 on), so
 * that both are merged alike.
 */
public class Measures {
  static final int STATUSES = 1_000;
  static final int ZERO_DURATION = STATUSES;
  static final int MIN_BUCKET = -159;
  static final int MAX_BUCKET = 160;
  private static final int FIRST_BUCKET = ZERO_DURATION + 1;

  public long responseBytes;
  public long durationMicros;

  /** Ascending. */
  public int[] cells = {};

  /** The count of each cell, above zero. */
  public long[] counts = {};

  /** The cell of a bucket. */
  static int cellOfBucket(int bucket) {
    return FIRST_BUCKET + bucket - MIN_BUCKET;
  }

  /** The bucket of a cell from 1001 on. */
  static int bucketOf(int cell) {
    return cell - FIRST_BUCKET + MIN_BUCKET;
  }

  /** One that stays as it is when this one is merged with others. */
  Measures copy() {
    Measures copy = new Measures();
    copy.responseBytes = responseBytes;
    copy.durationMicros = durationMicros;
    // Arrays are replaced, never changed.
    copy.cells = cells;
    copy.counts = counts;
    return copy;
  }

  void merge(Measures other) {
    responseBytes = Sums.add(responseBytes, other.responseBytes);
    durationMicros = Sums.add(durationMicros, other.durationMicros);
    if (other.cells.length > 0) {
      mergeCells(other);
    }
  }

  private void mergeCells(Measures other) {
    int[] mergedCells = new int[cells.length + other.cells.length];
    long[] mergedCounts = new long[mergedCells.length];
    int merged = 0;
    int mine = 0;
    int theirs = 0;
    while (mine < cells.length || theirs < other.cells.length) {
      int cell = Math.min(cellAt(mine), other.cellAt(theirs));
      mergedCells[merged] = cell;
      if (cellAt(mine) == cell) {
        mergedCounts[merged] = counts[mine++];
      }
      if (other.cellAt(theirs) == cell) {
        mergedCounts[merged] = Sums.add(mergedCounts[merged], other.counts[theirs++]);
      }
      merged++;
    }
    cells = Arrays.copyOf(mergedCells, merged);
    counts = Arrays.copyOf(mergedCounts, merged);
  }

  private int cellAt(int place) {
    return place < cells.length ? cells[place] : Integer.MAX_VALUE;
  }

  /** How many of the requests were answered with a status from 400 to 499. */
  long clientErrors() {
    long errors = 0;
    for (int place = 0; place < cells.length; place++) {
      if (cells[place] >= 400 && cells[place] < 500) {
        errors = Sums.add(errors, counts[place]);
      }
    }
    return errors;
  }

  boolean isEmpty() {
    return responseBytes == 0 && durationMicros == 0 && cells.length == 0;
  }
}
