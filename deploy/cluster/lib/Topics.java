import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.NewTopic;

/** Makes the topics that a broker does not have yet: {@code Topics HOST:PORT NAME:PARTITIONS...}, one replica each. */
public final class Topics {
  public static void main(String[] args) throws Exception {
    Map<String, Object> config =
        Map.of(
            AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, args[0],
            AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, 10_000,
            AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 60_000);
    try (Admin admin = Admin.create(config)) {
      Set<String> present = admin.listTopics().names().get(60, TimeUnit.SECONDS);
      List<NewTopic> missing = new ArrayList<>();
      for (int i = 1; i < args.length; i++) {
        String[] topic = args[i].split(":");
        if (!present.contains(topic[0])) {
          missing.add(new NewTopic(topic[0], Integer.parseInt(topic[1]), (short) 1));
        }
      }
      admin.createTopics(missing).all().get(60, TimeUnit.SECONDS);
    }
  }
}
