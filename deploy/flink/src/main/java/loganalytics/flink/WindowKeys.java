package loganalytics.flink;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;

/**
 * The counts of the current window by dimension and key. Keyed state; everything here is about the window whose record or timer
 * is being processed.
 *
 * <p><b>Folding.</b> A dimension over its limits is folded, after an insight was added whole, down to seven eighths of them:
 * first keys whose every request was a client error, then those with the fewest requests, of equals the greater by bytes. Their
 * counts go to {@link #OTHER}. A folded key stays in state with no requests until its row, which says so, has been emitted:
 * an earlier row of it may be in ClickHouse. That the row was emitted is part of the same checkpoint as that the key is gone.
 */
final class WindowKeys {
  /** Where the counts of folded keys are. */
  static final String OTHER = "(other)";

  private static final long CELL_BYTES = 8;

  /** By dimension and key. */
  private final MapState<Tuple2<String, String>, KeyCounts> counts;

  WindowKeys(RuntimeContext context) {
    // The name is part of every savepoint, never to be changed.
    counts =
        context.getMapState(
            new MapStateDescriptor<>("keys", Types.TUPLE(Types.STRING, Types.STRING), TypeInformation.of(KeyCounts.class)));
  }

  /** Adds an insight's counts by one dimension, and tells which keys have changed. */
  void add(ByDimension added, TableSize size, Set<Tuple2<String, String>> changed) throws Exception {
    for (Map.Entry<String, KeyCounts> key : added.keys.entrySet()) {
      Tuple2<String, String> id = Tuple2.of(added.dimension, key.getKey());
      KeyCounts known = counts.get(id);
      boolean isNew = known == null || known.requests == 0;
      if (known == null) {
        known = new KeyCounts();
      }
      int cells = known.measures.cells.length;
      known.merge(key.getValue());
      counts.put(id, known);
      changed.add(id);
      if (!key.getKey().equals(OTHER)) {
        size.keys += isNew ? 1 : 0;
        size.bytes += (isNew ? utf8(key.getKey()).length : 0) + CELL_BYTES * (known.measures.cells.length - cells);
      }
    }
  }

  /** A key on its way into {@link #OTHER}. */
  private record Candidate(Tuple2<String, String> id, KeyCounts counts, byte[] key) {
    boolean isNamedLonger() {
      return counts.measures.clientErrors() != counts.requests;
    }

    long weight() {
      return key.length + CELL_BYTES * counts.measures.cells.length;
    }
  }

  private static final Comparator<Candidate> FOLDED_FIRST =
      Comparator.comparing(Candidate::isNamedLonger)
          .thenComparingLong(candidate -> candidate.counts().requests)
          .thenComparing(Candidate::key, (left, right) -> Arrays.compareUnsigned(right, left));

  /** What a fold did: how many keys, and the most requests that one of them had. */
  record Folded(long keys, long most) {}

  /** Folds a dimension down to seven eighths of its limits. */
  Folded fold(String dimension, TableSize size, WindowLimits limits, Set<Tuple2<String, String>> changed)
      throws Exception {
    List<Candidate> candidates = new ArrayList<>();
    for (Map.Entry<Tuple2<String, String>, KeyCounts> entry : counts.entries()) {
      Tuple2<String, String> id = entry.getKey();
      if (id.f0.equals(dimension) && !id.f1.equals(OTHER) && entry.getValue().requests > 0) {
        candidates.add(new Candidate(id, entry.getValue(), utf8(id.f1)));
      }
    }
    candidates.sort(FOLDED_FIRST);
    long keysLeft = sevenEighths(limits.maxKeys());
    long bytesLeft = sevenEighths(limits.maxKeyBytes());
    Tuple2<String, String> otherId = Tuple2.of(dimension, OTHER);
    KeyCounts other = counts.get(otherId);
    if (other == null) {
      other = new KeyCounts();
    }
    int folded = 0;
    long most = 0;
    while (folded < candidates.size() && (size.keys > keysLeft || size.bytes > bytesLeft)) {
      Candidate candidate = candidates.get(folded++);
      other.merge(candidate.counts());
      most = Math.max(most, candidate.counts().requests);
      size.keys--;
      size.bytes -= candidate.weight();
      counts.put(candidate.id(), new KeyCounts());
      changed.add(candidate.id());
    }
    counts.put(otherId, other);
    changed.add(otherId);
    return new Folded(folded, most);
  }

  private static long sevenEighths(long bound) {
    return bound - (bound + 7) / 8;
  }

  private static byte[] utf8(String key) {
    return key.getBytes(StandardCharsets.UTF_8);
  }

  /** Takes rows. */
  interface RowConsumer {
    void take(String dimension, String key, KeyCounts counts);
  }

  /** Emits the rows of these keys. */
  void emit(Set<Tuple2<String, String>> ids, RowConsumer rows) throws Exception {
    for (Tuple2<String, String> id : ids) {
      KeyCounts found = counts.get(id);
      rows.take(id.f0, id.f1, found);
      if (found.requests == 0) {
        counts.remove(id);
      }
    }
  }

  /** Emits the rows of all keys. */
  void emitAll(RowConsumer rows) throws Exception {
    List<Tuple2<String, String>> folded = new ArrayList<>();
    for (Map.Entry<Tuple2<String, String>, KeyCounts> entry : counts.entries()) {
      rows.take(entry.getKey().f0, entry.getKey().f1, entry.getValue());
      if (entry.getValue().requests == 0) {
        folded.add(entry.getKey());
      }
    }
    for (Tuple2<String, String> id : folded) {
      counts.remove(id);
    }
  }

  void clear() {
    counts.clear();
  }
}
