package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Registers have one text, and merge to the same text in any order. */
class VisitorsTest {
  private static byte[] random(int occupied, long seed) {
    Random random = new Random(seed);
    byte[] registers = new byte[Visitors.REGISTERS];
    for (int i = 0; i < occupied; i++) {
      registers[random.nextInt(registers.length)] = (byte) (1 + random.nextInt(53));
    }
    return registers;
  }

  @Test
  void textsMergeToTheMaximumOfEachRegister() {
    for (int occupied : new int[] {0, 1, 300, 1_200, 3_000, 9_000}) {
      byte[] left = random(occupied, 1);
      byte[] right = random(900, 2);
      byte[] expected = new byte[Visitors.REGISTERS];
      for (int register = 0; register < expected.length; register++) {
        expected[register] = (byte) Math.max(left[register], right[register]);
      }
      String text = Visitors.text(expected);
      assertEquals(text, Visitors.merge(Visitors.text(left), Visitors.text(right)));
      assertEquals(text, Visitors.merge(Visitors.text(right), Visitors.text(left)));
      assertEquals(text, Visitors.text(Visitors.registers(text)));
    }
  }

  @Test
  void otherTextsAreRefused() {
    String denseOfFew = "0".repeat(1_365) + "-".repeat(Visitors.REGISTERS - 1_365);
    for (String text : new String[] {"0", "--00", "-----0", "-00--0", "--0--0", "--z", "--=", "--é", "q".repeat(4_096), denseOfFew}) {
      assertNull(Visitors.registers(text), text);
    }
  }
}
