import java.time.Instant;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends insights of made-up batches, for measuring the window job: {@code Insights HOST:PORT RUN FROM TO MINUTE ENTRIES PATHS CUSTOMERS
 * MINUTES}: the batches FROM to TO (excluded) of ENTRIES entries each, of as many customers named after RUN, over as many minutes from
 * MINUTE (seconds since 1970), PATHS paths and 8 families; one in ten is sent twice. Prints the entries that must be counted.
 */
public final class Insights {
  private static final String[] AGENTS = {"Chrome", "Safari", "Firefox", "Edge", "curl", "Googlebot", "GPTBot", "Unknown"};

  public static void main(String[] args) throws Exception {
    int from = Integer.parseInt(args[2]);
    int to = Integer.parseInt(args[3]);
    long firstMinuteS = Long.parseLong(args[4]);
    int entries = Integer.parseInt(args[5]);
    int distinctPaths = Integer.parseInt(args[6]);
    int customers = Integer.parseInt(args[7]);
    int minutes = Integer.parseInt(args[8]);
    Map<String, Object> config =
        Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, args[0],
            ProducerConfig.ACKS_CONFIG, "all",
            ProducerConfig.LINGER_MS_CONFIG, 5,
            ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4",
            ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
            ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(config)) {
      for (int batch = from; batch < to; batch++) {
        Random random = new Random(batch);
        String customer = args[1] + "-" + random.nextInt(customers);
        String start = Instant.ofEpochSecond(firstMinuteS + 60L * random.nextInt(minutes)).toString();
        Map<String, Integer> paths = new TreeMap<>();
        Map<String, Integer> agents = new TreeMap<>();
        for (int entry = 0; entry < entries; entry++) {
          paths.merge("GET /shop/category/" + (int) (distinctPaths * random.nextDouble() * random.nextDouble()), 1, Integer::sum);
          agents.merge(AGENTS[random.nextInt(AGENTS.length)], 1, Integer::sum);
        }
        String value =
            "{\"schemaVersion\":2,\"batchId\":\"" + new UUID(random.nextLong(), random.nextLong())
                + "\",\"fingerprint\":\"da1d93685afc973644377cc533b4630c\",\"receivedAt\":\""
                + Instant.ofEpochSecond(firstMinuteS + 60L * (minutes + 1)).toString().replace("Z", ".000Z")
                + "\",\"window\":{\"customerId\":\"" + customer + "\",\"windowStart\":\"" + start
                + "\",\"windowSize\":\"minute\",\"requests\":" + entries + ",\"requestsByPath\":" + json(paths)
                + ",\"requestsByUserAgent\":" + json(agents) + "}}";
        for (int copies = batch % 10 == 0 ? 2 : 1; copies > 0; copies--) {
          producer.send(
              new ProducerRecord<>("insight-events", customer + "|minute|" + start, value),
              (metadata, error) -> {
                if (error != null) {
                  error.printStackTrace();
                  Runtime.getRuntime().halt(1);
                }
              });
        }
      }
    }
    System.out.println((long) (to - from) * entries);
  }

  /** Names here need no escapes. */
  private static String json(Map<String, Integer> counts) {
    StringBuilder json = new StringBuilder("{");
    counts.forEach((key, count) -> json.append(json.length() > 1 ? "," : "").append('"').append(key).append("\":").append(count));
    return json.append('}').toString();
  }
}
