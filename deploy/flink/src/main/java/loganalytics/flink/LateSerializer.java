package loganalytics.flink;

import java.nio.charset.StandardCharsets;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Late insights as Kafka records: the value that they came with, under the same key. */
final class LateSerializer implements KafkaRecordSerializationSchema<Insight> {
  private final String topic;

  LateSerializer(String topic) {
    this.topic = topic;
  }

  @Override
  public ProducerRecord<byte[], byte[]> serialize(Insight insight, KafkaSinkContext context, Long timestamp) {
    // The record's time is when it was sent: by an event time of long ago Kafka would delete it at once.
    byte[] key = insight.recordKey().getBytes(StandardCharsets.US_ASCII);
    return new ProducerRecord<>(topic, key, InsightJson.write(insight));
  }
}
