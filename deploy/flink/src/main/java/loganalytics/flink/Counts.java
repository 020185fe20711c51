package loganalytics.flink;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;

/**
 * The counts of the current key's window in one dimension: requests by key. Keyed state; everything here is about the window
 * whose record or timer is being processed.
 */
final class Counts {
  /** Where keys are counted that find no room. */
  static final String OTHER = "(other)";

  private final WindowRow.Dimension dimension;
  private final MapState<String, Long> requests;

  /**
   * @param name what the state's name begins with; part of every savepoint, never to be changed
   */
  Counts(RuntimeContext context, WindowRow.Dimension dimension, String name) {
    this.dimension = dimension;
    requests = context.getMapState(new MapStateDescriptor<>(name + "-requests", Types.STRING, Types.LONG));
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

  /**
   * Adds an insight's counts; new keys as long as there is room, then under {@link #OTHER}. Says how many went there, and which
   * keys have changed.
   */
  long add(Map<String, Long> counts, Room room, Set<String> changed) throws Exception {
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
      requests.put(key, known + count.getValue());
      changed.add(key);
    }
    if (other > 0) {
      Long known = requests.get(OTHER);
      if (known == null) {
        room.keysTaken++;
        known = 0L;
      }
      requests.put(OTHER, known + other);
      changed.add(OTHER);
    }
    return other;
  }

  /** Takes rows. */
  interface RowConsumer {
    void take(WindowRow.Dimension dimension, String key, long requests);
  }

  /** Emits the rows of these keys. */
  void emit(Set<String> keys, RowConsumer rows) throws Exception {
    for (String key : keys) {
      rows.take(dimension, key, requests.get(key));
    }
  }

  /** Emits the rows of all keys. */
  void emitAll(RowConsumer rows) throws Exception {
    for (Map.Entry<String, Long> count : requests.entries()) {
      rows.take(dimension, count.getKey(), count.getValue());
    }
  }

  void clear() {
    requests.clear();
  }
}
