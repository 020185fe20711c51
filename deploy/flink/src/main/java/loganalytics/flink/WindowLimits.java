package loganalytics.flink;

import java.io.Serializable;

/**
 * How much a window may keep of each dimension. More is folded into {@code (other)}, so that sums stay exact and state bounded.
 *
 * @param maxKeys distinct keys
 * @param maxKeyBytes UTF-8 bytes of the keys, and 8 for each cell of their measures
 */
record WindowLimits(int maxKeys, long maxKeyBytes) implements Serializable {
  /** Those of paths in the one-machine server, whose other dimensions have less. */
  static final WindowLimits DEFAULT = new WindowLimits(50_000, 8 << 20);

  WindowLimits {
    if (maxKeys < 1 || maxKeyBytes < 1) {
      throw new IllegalArgumentException("limits of a window are at least 1");
    }
  }

  /** Whether a table must be folded. */
  boolean areExceededBy(TableSize size) {
    return size.keys > maxKeys || size.bytes > maxKeyBytes;
  }
}
