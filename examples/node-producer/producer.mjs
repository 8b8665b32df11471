// Publishes CloudEvents to lockstep's topic `ingest` and prints where each of them lies, one JSON object a line.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { CloudEvent, Kafka as Binding } from "cloudevents";
import { Kafka, logLevel, Partitioners } from "kafkajs";

const BATCH = 500;
const USAGE = "node producer.mjs [--brokers HOST:PORT,…] [--topic NAME] [--mode binary|structured] (--count N | --file FILE)";

function options() {
  const { values } = parseArgs({
    options: {
      brokers: { type: "string", default: "127.0.0.1:19092" },
      topic: { type: "string", default: "ingest" },
      mode: { type: "string", default: "binary" },
      count: { type: "string" },
      file: { type: "string" },
    },
  });
  if (!["binary", "structured"].includes(values.mode)) throw new Error(`--mode ${values.mode}: binary or structured`);
  if ((values.count === undefined) === (values.file === undefined)) throw new Error(`usage: ${USAGE}`);
  if (values.count !== undefined && !/^[0-9]+$/.test(values.count)) throw new Error(`--count ${values.count}: a number`);
  return values;
}

/** Events of our own, or the lines of a file (- is standard input), as the attributes of a CloudEvent. */
async function* events({ count, file }) {
  for (let number = 0; number < Number(count ?? 0); number++) {
    yield {
      source: "/examples/node-producer",
      type: "member.list.changed",
      subject: `account-${number}`,
      datacontenttype: "application/json",
      data: { added: `title-${number}` },
    };
  }
  if (file === undefined) return;
  const input = file === "-" ? process.stdin : createReadStream(file);
  let line = 0;
  for await (const text of createInterface({ input, crlfDelay: Infinity })) {
    line++;
    if (!text.trim()) continue;
    try {
      yield JSON.parse(text);
    } catch (error) {
      throw new Error(`${file}:${line}: ${error.message}`);
    }
  }
}

/** The Kafka message of an event: its key is the account, so that all events of an account stay in order. */
function message(attributes, mode) {
  const event = new CloudEvent(attributes); // fills in id and time, and checks the rest
  if (!event.subject) throw new Error(`event ${event.id} has no subject: it names the account`);
  const { headers, value } = mode === "binary" ? Binding.binary(event) : Binding.structured(event);
  const set = Object.entries(headers).filter(([, text]) => text !== undefined);
  return {
    id: event.id,
    key: event.subject,
    value: mode === "binary" ? payload(value, event.datacontenttype) : value,
    headers: Object.fromEntries(set.map(([name, text]) => [name, String(text)])),
  };
}

/** The bytes of binary mode: a string is JSON too, unless the event says that it is something else. */
function payload(data, type = "application/json") {
  if (data === undefined) return null;
  if (data instanceof Uint8Array) return Buffer.from(data);
  return typeof data === "string" && !/[/+]json\b/i.test(type) ? data : JSON.stringify(data);
}

/** kafkajs's default partitioner, murmur2 as in Java, remembering where it put each message. */
function remembering(places) {
  return () => {
    const choose = Partitioners.DefaultPartitioner();
    return (choice) => {
      const partition = choose(choice);
      places.set(choice.message, partition);
      return partition;
    };
  };
}

async function publish(producer, topic, messages, places) {
  const answers = await producer.send({ topic, acks: -1, messages });
  const next = new Map(answers.map(({ partition, baseOffset }) => [partition, BigInt(baseOffset)]));
  for (const sent of messages) {
    const partition = places.get(sent);
    const offset = next.get(partition);
    next.set(partition, offset + 1n);
    console.log(JSON.stringify({ id: sent.id, account: sent.key, partition, offset: Number(offset) }));
  }
  places.clear();
}

async function main() {
  const { brokers, topic, mode, ...source } = options();
  const kafka = new Kafka({ clientId: "node-producer", brokers: brokers.split(","), logLevel: logLevel.NOTHING });
  const places = new Map();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner: remembering(places) });
  await producer.connect();
  try {
    let batch = [];
    for await (const attributes of events(source)) {
      batch.push(message(attributes, mode));
      if (batch.length === BATCH) {
        await publish(producer, topic, batch, places);
        batch = [];
      }
    }
    if (batch.length) await publish(producer, topic, batch, places);
  } finally {
    await producer.disconnect();
  }
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
