package loganalytics.flink;

import java.io.Serializable;

/**
 * How much a window may name; further keys are counted under {@code (other)}, so that sums stay exact and state bounded.
 *
 * @param maxPaths distinct paths
 * @param maxAgents distinct families of user agents
 * @param maxKeyBytes UTF-8 bytes of all keys together
 */
record WindowLimits(int maxPaths, int maxAgents, long maxKeyBytes) implements Serializable {
  /** The same as the one-machine server's. */
  static final WindowLimits DEFAULT = new WindowLimits(50_000, 2_000, 4 << 20);

  WindowLimits {
    if (maxPaths < 1 || maxAgents < 1 || maxKeyBytes < 1) {
      throw new IllegalArgumentException("limits of a window are at least 1");
    }
  }
}
