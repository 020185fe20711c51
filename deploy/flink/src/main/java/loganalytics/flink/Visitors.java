package loganalytics.flink;

/**
 * The visitors of a window: HyperLogLog of 4,096 registers as text, six bits a character. Up to 1,365 registers that are not
 * zero are written sparse, ascending, as three characters each (the register's number in two, its value in one); more are
 * written dense, one character for each register. So equal registers have one text.
 */
final class Visitors {
  static final int REGISTERS = 4_096;
  private static final int MAX_VALUE = 53;
  private static final int MAX_SPARSE = (REGISTERS - 1) / 3;
  private static final String ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

  private Visitors() {}

  /** The registers of a text; null if it is not the one text of some registers. */
  static byte[] registers(String text) {
    byte[] registers = new byte[REGISTERS];
    if (text.length() == REGISTERS) {
      for (int register = 0; register < REGISTERS; register++) {
        registers[register] = (byte) bits(text, register);
      }
    } else if (text.length() % 3 == 0) {
      for (int place = 0; place < text.length(); place += 3) {
        int register = bits(text, place) << 6 | bits(text, place + 1);
        if (register < 0) {
          return null;
        }
        registers[register] = (byte) bits(text, place + 2);
      }
    }
    for (byte value : registers) {
      if (value < 0 || value > MAX_VALUE) {
        return null;
      }
    }
    return text(registers).equals(text) ? registers : null;
  }

  /** The text of registers. */
  static String text(byte[] registers) {
    int occupied = 0;
    for (byte value : registers) {
      occupied += value > 0 ? 1 : 0;
    }
    boolean dense = occupied > MAX_SPARSE;
    StringBuilder text = new StringBuilder(dense ? REGISTERS : 3 * occupied);
    for (int register = 0; register < REGISTERS; register++) {
      if (!dense && registers[register] > 0) {
        text.append(ALPHABET.charAt(register >> 6)).append(ALPHABET.charAt(register & 63));
      }
      if (dense || registers[register] > 0) {
        text.append(ALPHABET.charAt(registers[register]));
      }
    }
    return text.toString();
  }

  /** Everybody whom either has counted: the maximum of each register. Both are texts of registers. */
  static String merge(String left, String right) {
    if (right.isEmpty() || left.equals(right)) {
      return left;
    }
    if (left.isEmpty()) {
      return right;
    }
    byte[] merged = registers(left);
    byte[] other = registers(right);
    for (int register = 0; register < REGISTERS; register++) {
      merged[register] = (byte) Math.max(merged[register], other[register]);
    }
    return text(merged);
  }

  /** The six bits of a character; -1 if it has none. */
  private static int bits(String text, int place) {
    return ALPHABET.indexOf(text.charAt(place));
  }
}
