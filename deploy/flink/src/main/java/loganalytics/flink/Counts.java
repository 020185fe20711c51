package loganalytics.flink;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;

/**
 * The counts of the current key's window in one dimension: requests by key, and which keys have changed since they were last
 * emitted. Keyed state; everything here is about the window whose record or timer is being processed.
 */
final class Counts {
  /** Where keys are counted that find no room. */
  static final String OTHER = "(other)";

  private final WindowRow.Dimension dimension;
  private final MapState<String, Long> requests;
  private final MapState<String, Boolean> changed;

  /**
   * @param name what the two states' names begin with; part of every savepoint, never to be changed
   */
  Counts(RuntimeContext context, WindowRow.Dimension dimension, String name) {
    this.dimension = dimension;
    requests = context.getMapState(new MapStateDescriptor<>(name + "-requests", Types.STRING, Types.LONG));
    changed = context.getMapState(new MapStateDescriptor<>(name + "-changed", Types.STRING, Types.BOOLEAN));
  }

  /** How many keys and bytes of keys {@link #add} may still take, and how many it took. */
  static final class Room {
    long keysLeft;
    long bytesLeft;
    int keysTaken;
    long bytesTaken;

    Room(long keysLeft, long bytesLeft) {
      this.keysLeft = keysLeft;
      this.bytesLeft = bytesLeft;
    }
  }

  /** Adds an insight's counts; new keys as long as there is room, then under {@link #OTHER}. Says how many went there. */
  long add(Map<String, Long> counts, Room room) throws Exception {
    long other = 0;
    for (Map.Entry<String, Long> count : counts.entrySet()) {
      String key = count.getKey();
      Long known = requests.get(key);
      if (known == null) {
        int bytes = key.getBytes(StandardCharsets.UTF_8).length;
        if (room.keysLeft <= room.keysTaken || room.bytesLeft < room.bytesTaken + bytes) {
          other += count.getValue();
          continue;
        }
        room.keysTaken++;
        room.bytesTaken += bytes;
        known = 0L;
      }
      put(key, known + count.getValue());
    }
    if (other > 0) {
      Long known = requests.get(OTHER);
      if (known == null) {
        room.keysTaken++;
        known = 0L;
      }
      put(OTHER, known + other);
    }
    return other;
  }

  private void put(String key, long count) throws Exception {
    requests.put(key, count);
    changed.put(key, Boolean.TRUE);
  }

  /** Takes rows: what changed since the last time, or everything. */
  interface RowConsumer {
    void take(WindowRow.Dimension dimension, String key, long requests);
  }

  /** Emits the rows of keys that have changed, which then count as emitted. */
  void emitChanged(RowConsumer rows) throws Exception {
    for (String key : changed.keys()) {
      rows.take(dimension, key, requests.get(key));
    }
    changed.clear();
  }

  /** Emits the rows of all keys, which then count as emitted. */
  void emitAll(RowConsumer rows) throws Exception {
    for (Map.Entry<String, Long> count : requests.entries()) {
      rows.take(dimension, count.getKey(), count.getValue());
    }
    changed.clear();
  }

  void clear() {
    requests.clear();
    changed.clear();
  }
}
