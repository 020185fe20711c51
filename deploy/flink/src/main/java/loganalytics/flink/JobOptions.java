package loganalytics.flink;

import java.io.IOException;
import java.io.Reader;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * The job's arguments, {@code --name value}, checked. What is Flink's own business (parallelism, checkpoints, restarts, state)
 * is set in Flink's configuration.
 */
final class JobOptions {
  static final String USAGE =
      """
      --kafka HOST:PORT,…            Kafka's brokers (required)
      --kafka-properties FILE        further properties of Kafka's clients: security and the like
      --topic-insights NAME          where insights come from (insight-events)
      --topic-late NAME              where insights go that come too late (late-insights)
      --topic-dead NAME              where records go that are no insights (dead-letters)
      --group NAME                   consumer group, for those who watch the lag (window-job)
      --clickhouse URL               ClickHouse's HTTP interface (required)
      --clickhouse-database NAME     the schema's database (log_analytics)
      --clickhouse-user NAME         user; the password is read from the variable CLICKHOUSE_PASSWORD
      --clickhouse-batch-bytes N     size of an insert (4194304)
      --clickhouse-linger TIME       how long a row waits for others (PT0.5S)
      --clickhouse-inserts N         inserts on their way at the same time, of one subtask (2)
      --clickhouse-timeout TIME      time for one try of an insert (PT30S)
      --clickhouse-retry-for TIME    how long an insert is tried again before the job starts over (PT2M)
      --allowed-lateness TIME        how long after its end a window still counts: the state's life (P7D)
      --out-of-orderness TIME        how far insights of a partition are out of order (PT1M)
      --idleness TIME                a partition without insights holds the watermark back this long (PT30S)
      --emit-delay TIME              how soon after a change a window's rows are emitted (PT1S)
      --max-keys N                   distinct keys of a window by each dimension (50000)
      --max-key-bytes N              bytes of the keys of a window by each dimension, 8 for each cell of their measures (8388608)
      Times are ISO 8601 durations: PT1S, PT5M, P7D.
      """;

  /** A Kafka record may be as large as the brokers are told to take: see {@code deploy/schemas}. */
  static final int MAX_RECORD_BYTES = 8 << 20;

  final String kafka;
  final Properties kafkaProperties;
  final String insightsTopic;
  final String lateTopic;
  final String deadTopic;
  final String group;
  final ClickHouseOptions clickHouse;
  final Duration allowedLateness;
  final Duration outOfOrderness;
  final Duration idleness;
  final Duration emitDelay;
  final WindowLimits limits;

  private JobOptions(Map<String, String> given, Function<String, String> environment) {
    Arguments arguments = new Arguments(given);
    kafka = arguments.required("kafka");
    kafkaProperties = arguments.properties("kafka-properties");
    insightsTopic = arguments.text("topic-insights", "insight-events");
    lateTopic = arguments.text("topic-late", "late-insights");
    deadTopic = arguments.text("topic-dead", "dead-letters");
    group = arguments.text("group", "window-job");
    clickHouse =
        new ClickHouseOptions(
            URI.create(arguments.required("clickhouse")),
            arguments.text("clickhouse-database", "log_analytics"),
            arguments.text("clickhouse-user", null),
            environment.apply("CLICKHOUSE_PASSWORD"),
            arguments.number("clickhouse-batch-bytes", 4 << 20),
            arguments.duration("clickhouse-linger", Duration.ofMillis(500)),
            arguments.number("clickhouse-inserts", 2),
            arguments.duration("clickhouse-timeout", Duration.ofSeconds(30)),
            arguments.duration("clickhouse-retry-for", Duration.ofMinutes(2)));
    allowedLateness = arguments.duration("allowed-lateness", Duration.ofDays(7));
    outOfOrderness = arguments.duration("out-of-orderness", Duration.ofMinutes(1));
    idleness = arguments.duration("idleness", Duration.ofSeconds(30));
    emitDelay = arguments.duration("emit-delay", Duration.ofSeconds(1));
    limits =
        new WindowLimits(
            arguments.number("max-keys", WindowLimits.DEFAULT.maxKeys()),
            arguments.number("max-key-bytes", (int) WindowLimits.DEFAULT.maxKeyBytes()));
    arguments.refuseUnknown();
  }

  /**
   * Reads arguments and environment.
   *
   * @throws IllegalArgumentException with the argument and what is wrong with it
   */
  static JobOptions parse(String[] args, Function<String, String> environment) {
    Map<String, String> given = new HashMap<>();
    for (int i = 0; i < args.length; i += 2) {
      if (!args[i].startsWith("--") || i + 1 == args.length) {
        throw new IllegalArgumentException(args[i] + ": arguments are --name value\n" + USAGE);
      }
      if (given.put(args[i].substring(2), args[i + 1]) != null) {
        throw new IllegalArgumentException(args[i] + " is given twice");
      }
    }
    return new JobOptions(given, environment);
  }

  /** What was given, by name; remembers what was asked for. */
  private record Arguments(Map<String, String> given, Set<String> known) {
    Arguments(Map<String, String> given) {
      this(given, new TreeSet<>());
    }

    String text(String name, String otherwise) {
      known.add(name);
      return given.getOrDefault(name, otherwise);
    }

    String required(String name) {
      String value = text(name, null);
      if (value == null) {
        throw new IllegalArgumentException("--" + name + " is missing\n" + USAGE);
      }
      return value;
    }

    int number(String name, int otherwise) {
      String value = text(name, Integer.toString(otherwise));
      try {
        return Integer.parseInt(value);
      } catch (NumberFormatException noNumber) {
        throw new IllegalArgumentException("--" + name + " " + value + " is not a number", noNumber);
      }
    }

    Duration duration(String name, Duration otherwise) {
      String value = text(name, otherwise.toString());
      try {
        Duration duration = Duration.parse(value);
        if (!duration.isNegative()) {
          return duration;
        }
      } catch (DateTimeParseException noDuration) {
        // Told below, as for a negative one.
      }
      throw new IllegalArgumentException("--" + name + " " + value + " is not a time such as PT5S or P7D");
    }

    Properties properties(String name) {
      String file = text(name, null);
      Properties properties = new Properties();
      if (file != null) {
        try (Reader reader = Files.newBufferedReader(Path.of(file))) {
          properties.load(reader);
        } catch (IOException unreadable) {
          throw new IllegalArgumentException("--" + name + " " + file + ": " + unreadable.getMessage(), unreadable);
        }
      }
      return properties;
    }

    void refuseUnknown() {
      Set<String> unknown = new TreeSet<>(given.keySet());
      unknown.removeAll(known);
      if (!unknown.isEmpty()) {
        throw new IllegalArgumentException("unknown arguments: " + unknown + "\n" + USAGE);
      }
    }
  }
}
