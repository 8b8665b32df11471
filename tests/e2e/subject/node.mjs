// The client in Node, with the library `ws` where Node has no WebSocket of its own.

import { createRequire } from "node:module";
import { play } from "./subject.mjs";

const require = createRequire(new URL("../../../clients/javascript/package.json", import.meta.url));
await play({ WebSocket: globalThis.WebSocket ?? require("ws"), ...JSON.parse(process.argv[2]) });
