package loganalytics.flink;

import java.time.Duration;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;

/**
 * The window job: insights from Kafka, each batch of a window counted once, absolute counts into ClickHouse.
 *
 * <pre>
 *  Kafka insight-events ─▶ decode, watermarks ─▶ by (customer, window) ─▶ count ─▶ ClickHouse
 *                                 │                                         └────▶ Kafka late-insights
 *                                 └─ what is no insight ─▶ Kafka dead-letters
 * </pre>
 *
 * <p>Every step has a uid: a savepoint of one version of this job can be restored into the next. {@link WindowFunction} says
 * why counts are exact.
 */
public final class WindowJob {
  /**
   * The number of key groups, which is the highest parallelism. Part of every savepoint: a job with another number cannot be
   * restored from it. It divides evenly by most parallelisms that one would choose.
   */
  static final int MAX_PARALLELISM = 720;

  private WindowJob() {}

  /** Runs the job with these arguments ({@link JobOptions}). */
  public static void main(String[] args) throws Exception {
    JobOptions options = JobOptions.parse(args, System::getenv);
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    build(
        environment,
        options,
        source(options),
        new ClickHouseSink(options.clickHouse),
        kafkaSink(options, new LateSerializer(options.lateTopic)),
        kafkaSink(options, new DeadLetterSerializer(options.deadTopic)));
    environment.execute("log-analytics windows");
  }

  /** Puts the job together, between any source and any sinks. */
  static void build(
      StreamExecutionEnvironment environment,
      JobOptions options,
      Source<Decoded, ?, ?> source,
      Sink<WindowRow> rows,
      Sink<Insight> late,
      Sink<DeadLetter> dead) {
    environment.configure(configuration());
    environment.setMaxParallelism(MAX_PARALLELISM);

    SingleOutputStreamOperator<Insight> insights =
        environment
            .fromSource(source, watermarks(options.outOfOrderness, options.idleness), "insights")
            .uid("insight-source")
            .process(new SplitDecoded())
            .name("split")
            .uid("split");
    insights.getSideOutput(SplitDecoded.DEAD).sinkTo(dead).name("dead letters").uid("dead-letter-sink");

    SingleOutputStreamOperator<WindowRow> windows =
        insights
            .keyBy(WindowFunction.key(), WindowFunction.keyType())
            .process(new WindowFunction(options.emitDelay, options.allowedLateness, options.limits))
            .name("windows")
            .uid("windows");
    windows.sinkTo(rows).name("ClickHouse").uid("clickhouse-sink");
    windows.getSideOutput(WindowFunction.LATE).sinkTo(late).name("late insights").uid("late-sink");
  }

  /** What the job's code relies on, whatever the cluster's configuration says. */
  private static Configuration configuration() {
    Configuration configuration = new Configuration();
    // No step changes what it has been handed or has handed on, so records need no copies between chained steps.
    configuration.set(PipelineOptions.OBJECT_REUSE, true);
    // Everything is a POJO or a basic type, whose savepoints survive changes of the code.
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    return configuration;
  }

  private static WatermarkStrategy<Decoded> watermarks(Duration outOfOrderness, Duration idleness) {
    return WatermarkStrategy.<Decoded>forBoundedOutOfOrderness(outOfOrderness)
        .withTimestampAssigner((decoded, recordTime) -> decoded.eventTimeMs())
        .withIdleness(idleness);
  }

  private static KafkaSource<Decoded> source(JobOptions options) {
    return KafkaSource.<Decoded>builder()
        .setProperties(options.kafkaProperties)
        .setProperty(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")
        .setProperty(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, Integer.toString(JobOptions.MAX_RECORD_BYTES))
        .setBootstrapServers(options.kafka)
        .setGroupId(options.group)
        .setTopics(options.insightsTopic)
        // Without state there are no counts, so everything there is must be read again; what the group has committed is only
        // for watching the lag.
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setDeserializer(new RecordDecoder())
        .build();
  }

  private static <T> KafkaSink<T> kafkaSink(JobOptions options, KafkaRecordSerializationSchema<T> serializer) {
    Properties properties = new Properties();
    properties.putAll(options.kafkaProperties);
    properties.setProperty(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Integer.toString(JobOptions.MAX_RECORD_BYTES));
    properties.setProperty(ProducerConfig.ACKS_CONFIG, "all");
    return KafkaSink.<T>builder()
        .setKafkaProducerConfig(properties)
        .setBootstrapServers(options.kafka)
        .setRecordSerializer(serializer)
        .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
        .build();
  }
}
