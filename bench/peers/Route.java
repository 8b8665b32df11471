import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The job on Kafka Streams, with the Processor API: it has the least between the record and the store. */
public final class Route {
  private record Rule(String lane, long maxAge) {}

  private static final byte[] SEEN = {1};
  private static final JsonFactory JSON = new JsonFactory();
  private static final Map<String, Rule> RULES = new HashMap<>();

  private static final class Judge implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> seen;

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      seen = given.getStateStore("seen");
    }

    @Override
    public void process(Record<byte[], byte[]> message) {
      String id = null;
      String type = null;
      String time = null;
      try (JsonParser parser = JSON.createParser(message.value())) {
        parser.nextToken();
        while ((id == null || type == null || time == null) && parser.nextToken() != JsonToken.END_OBJECT) {
          String name = parser.currentName();
          parser.nextToken();
          switch (name) {
            case "id" -> id = parser.getText();
            case "type" -> type = parser.getText();
            case "time" -> time = parser.getText();
            default -> parser.skipChildren();
          }
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      Rule rule = RULES.get(type);
      if (message.timestamp() - Instant.parse(time).toEpochMilli() > rule.maxAge()) {
        return;
      }
      byte[] key = id.getBytes(StandardCharsets.ISO_8859_1);
      if (seen.get(key) == null) {
        seen.put(key, SEEN);
        context.forward(message, rule.lane());
      }
    }
  }

  public static void main(String[] arguments) {
    String[] lanes = System.getenv("JOB_LANES").split(",");
    for (String rule : System.getenv("JOB_RULES").split(",")) {
      String[] parts = rule.split("[=:]");
      RULES.put(parts[0], new Rule(lanes[Integer.parseInt(parts[1])], Long.parseLong(parts[2])));
    }
    KafkaStreams streams = new KafkaStreams(topology(lanes, System.getenv("JOB_STORE")), properties());
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(3);
          return null;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Topology topology(String[] lanes, String store) {
    KeyValueBytesStoreSupplier supplier =
        store.equals("memory") ? Stores.inMemoryKeyValueStore("seen") : Stores.persistentKeyValueStore("seen");
    Topology topology = new Topology();
    topology.addSource("ingest", new ByteArrayDeserializer(), new ByteArrayDeserializer(), System.getenv("JOB_INGEST"));
    topology.addProcessor("judge", Judge::new, "ingest");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(supplier, Serdes.ByteArray(), Serdes.ByteArray())
            .withLoggingEnabled(Map.of())
            .withCachingDisabled(),
        "judge");
    for (String lane : lanes) {
      topology.addSink(lane, lane, new ByteArraySerializer(), new ByteArraySerializer(), "judge");
    }
    return topology;
  }

  /** Batches, buffers and linger as the documentation advises for throughput. */
  private static Properties properties() {
    Properties found = new Properties();
    found.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("JOB_GROUP"));
    found.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("JOB_SERVERS"));
    found.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("JOB_STATE"));
    found.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
    found.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    found.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    found.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    found.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5000);
    found.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    found.put(StreamsConfig.mainConsumerPrefix("max.poll.records"), 5000);
    found.put(StreamsConfig.mainConsumerPrefix("fetch.min.bytes"), 65_536);
    found.put(StreamsConfig.mainConsumerPrefix("max.partition.fetch.bytes"), 4_194_304);
    found.put(StreamsConfig.producerPrefix("acks"), "all");
    found.put(StreamsConfig.producerPrefix("linger.ms"), 20);
    found.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
    found.put(StreamsConfig.producerPrefix("batch.size"), 262_144);
    found.put(StreamsConfig.producerPrefix("buffer.memory"), 134_217_728L);
    return found;
  }

  private Route() {}
}
