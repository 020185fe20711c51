import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends insights, for measuring the window job: {@code Insights HOST:PORT RUN FROM TO WINDOWS CUSTOMERS}: the batches FROM to TO
 * (excluded), each of one of as many customers named after RUN. Batch N is the window of line N of the file WINDOWS (modulo its
 * lines), as {@code log-analytics summarize} prints it; one in ten is sent twice. Prints the entries that must be counted.
 */
public final class Insights {
  private static final String START = "\"windowStart\":\"";
  private static final String SIZE = ",\"windowSize\":";
  private static final String REQUESTS = "\"requests\":";

  /** A window without its customer. */
  private record Window(String start, long requests, String rest) {
    static Window of(String line) {
      int start = line.indexOf(START) + START.length();
      int requests = line.indexOf(REQUESTS) + REQUESTS.length();
      int end = requests;
      while (Character.isDigit(line.charAt(end))) {
        end++;
      }
      return new Window(
          line.substring(start, line.indexOf('"', start)),
          Long.parseLong(line.substring(requests, end)),
          line.substring(line.indexOf(SIZE)));
    }
  }

  public static void main(String[] args) throws Exception {
    int from = Integer.parseInt(args[2]);
    int to = Integer.parseInt(args[3]);
    List<Window> windows = Files.readAllLines(Path.of(args[4])).stream().map(Window::of).toList();
    int customers = Integer.parseInt(args[5]);
    String receivedAt = Instant.ofEpochSecond(Instant.now().getEpochSecond()).toString().replace("Z", ".000Z");
    // Compressed as the worker does it.
    Map<String, Object> config =
        Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, args[0],
            ProducerConfig.ACKS_CONFIG, "all",
            ProducerConfig.LINGER_MS_CONFIG, 5,
            ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 8 << 20,
            ProducerConfig.COMPRESSION_TYPE_CONFIG, "zstd",
            ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
            ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
    long entries = 0;
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(config)) {
      for (int batch = from; batch < to; batch++) {
        Random random = new Random(batch);
        Window window = windows.get(batch % windows.size());
        String customer = args[1] + "-" + random.nextInt(customers);
        String value =
            "{\"schemaVersion\":2,\"batchId\":\"" + new UUID(random.nextLong(), random.nextLong())
                + "\",\"fingerprint\":\"da1d93685afc973644377cc533b4630c\",\"receivedAt\":\"" + receivedAt
                + "\",\"window\":{\"customerId\":\"" + customer + "\",\"windowStart\":\"" + window.start() + "\"" + window.rest() + "}";
        for (int copies = batch % 10 == 0 ? 2 : 1; copies > 0; copies--) {
          producer.send(
              new ProducerRecord<>("insight-events", customer + "|minute|" + window.start(), value),
              (metadata, error) -> {
                if (error != null) {
                  error.printStackTrace();
                  Runtime.getRuntime().halt(1);
                }
              });
        }
        entries += window.requests();
      }
    }
    System.out.println(entries);
  }
}
