package loganalytics.flink;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.java.tuple.Tuple2;

/**
 * Which keys of which windows have changed since their rows were emitted. In memory, for the second until the emission that is
 * due: as keyed state each key would be written once more with every batch, and what is cleared every second leaves RocksDB
 * with nothing but deletions to search through. What a restart forgets, {@link WindowHead#emissionDue} stands for: then
 * everything counts as changed, and rows that are emitted once more say the same.
 */
final class Changes {
  /** The changed keys of one window. */
  static final class OfWindow {
    /** Whether keys may have changed that are not known: all rows must be emitted. */
    final boolean unknown;

    /** Whether an insight was added. */
    boolean any;

    /** By dimension and key. */
    final Set<Tuple2<String, String>> keys = new HashSet<>();

    private OfWindow(boolean unknown) {
      this.unknown = unknown;
    }
  }

  private final Map<Tuple2<String, Long>, OfWindow> windows = new HashMap<>();

  /** Where to add a window's changes; {@code due} is whether an emission of the window was due already. */
  OfWindow of(Tuple2<String, Long> window, boolean due) {
    return windows.computeIfAbsent(window, absent -> new OfWindow(due));
  }

  /** Takes out what has changed of a window for which an emission is due. */
  OfWindow take(Tuple2<String, Long> window) {
    OfWindow changed = windows.remove(window);
    return changed == null ? new OfWindow(true) : changed;
  }

  /** Everything of the window has been emitted; an emission may still be due. */
  void emitted(Tuple2<String, Long> window, boolean due) {
    if (due) {
      windows.put(window, new OfWindow(false));
    }
  }
}
