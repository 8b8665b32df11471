// Reads an AsyncAPI document as tools do and prints what the parser has to say of it, and what it found, as JSON.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const text = await readFile(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(text);
const operations = document?.operations().all() ?? [];
console.log(
  JSON.stringify({
    diagnostics: diagnostics.map(({ severity, message, path }) => ({ severity, message, path: path.join(".") })),
    operations: Object.fromEntries(
      operations.map((each) => [each.id(), { action: each.action(), channel: each.channels().all()[0].address() }]),
    ),
    messages: (document?.allMessages().all() ?? []).map((each) => each.id()),
  }),
);
