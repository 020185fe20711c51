package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Arguments are read strictly, and have the defaults that the usage names. */
class JobOptionsTest {
  private static JobOptions parse(String... more) {
    String[] args = new String[4 + more.length];
    System.arraycopy(new String[] {"--kafka", "k:9092", "--clickhouse", "http://c:8123"}, 0, args, 0, 4);
    System.arraycopy(more, 0, args, 4, more.length);
    return JobOptions.parse(args, name -> name.equals("CLICKHOUSE_PASSWORD") ? "secret" : null);
  }

  @Test
  void defaultsAreThoseOfTheDesign() {
    JobOptions options = parse();
    assertEquals("insight-events", options.insightsTopic);
    assertEquals(Duration.ofDays(7), options.allowedLateness);
    assertEquals(WindowLimits.DEFAULT, options.limits);
    assertEquals("secret", options.clickHouse.password());
    assertFalse(options.clickHouse.toString().contains("secret"));
  }

  @Test
  void whatIsWrongIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> JobOptions.parse(new String[0], name -> null));
    String[][] wrong = {
      {"--allowed-lateness", "7d"}, {"--idleness", "-PT1S"}, {"--max-keys", "0"}, {"--max-key-bytes", "many"},
      {"--nonsense", "1"}, {"--group"}, {"group", "a"}, {"--kafka", "again"}, {"--clickhouse-database", "a;b"},
      {"--kafka-properties", "/nowhere/at/all"}
    };
    for (String[] args : wrong) {
      assertThrows(IllegalArgumentException.class, () -> parse(args), String.join(" ", args));
    }
  }

  @Test
  void propertiesOfKafkaComeFromAFile(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("client.properties"), "security.protocol=SSL\n");
    JobOptions options = parse("--kafka-properties", file.toString(), "--allowed-lateness", "PT1H");
    assertEquals("SSL", options.kafkaProperties.getProperty("security.protocol"));
    assertEquals(Duration.ofHours(1), options.allowedLateness);
  }

  @Test
  void everyArgumentOfTheUsageIsKnown() {
    List<String> names = JobOptions.USAGE.lines().filter(line -> line.startsWith("--")).map(line -> line.split(" ")[0]).toList();
    assertTrue(names.size() > 15, names.toString());
    for (String name : names) {
      String message = "";
      try {
        if (name.equals("--kafka") || name.equals("--clickhouse")) {
          parse();
        } else {
          parse(name, "x");
        }
      } catch (IllegalArgumentException refused) {
        message = refused.getMessage();
      }
      assertFalse(message.startsWith("unknown"), message);
    }
    assertTrue(assertThrows(IllegalArgumentException.class, () -> parse("--x", "y")).getMessage().startsWith("unknown"));
  }
}
