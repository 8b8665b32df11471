// Where everything of the pipeline's drawing stands. Pure: a pipeline and a width in, boxes and lines out.

/** The narrowest width, px, at which the drawing can be read; on less it is scrolled. */
export const NARROWEST = 820;

const NODE = 56; // height of a box
const BAND = 106; // height of a lane
const BETWEEN = 10;
const LABEL = 24; // height of a lane's name
const PAD = 12;
const SOURCE = 84;
const END = 112;

/**
 * `{height, bands, nodes, links, source, end}`; a node has `row`, `x`, `y`, `w`, `h`, and `room` for
 * words below it, a band its `lane` or `title`, a
 * link its `path`, and the `row` whose rate it carries.
 */
export function laidOut(pipeline, width) {
  const gap = Math.max(30, Math.min(52, width / 24));
  const box = (width - SOURCE - END - 5 * gap) / 4;
  const column = (index) => SOURCE + gap + index * (box + gap);
  const bandX = column(1) - PAD;
  const lanes = pipeline.lanes.map((lane, index) => ({ lane, y: index * (BAND + BETWEEN) }));
  const bottom = lanes.length * (BAND + BETWEEN);
  const middle = (bottom - BETWEEN) / 2;
  const placed = lanes.map(({ lane, y }) => lane.stages.map((row, index) => ({
    row, x: column(1 + index), y: y + LABEL, w: box, h: NODE, room: row.stage === "notify" ? 2 * box + gap : box,
  })));
  const head = { row: pipeline.heads[0], x: column(0), y: middle - NODE / 2, w: box, h: NODE, room: 0 };
  const source = { x: 0, y: middle - 22, w: SOURCE, h: 44 };
  const end = { x: width - END, y: middle - NODE / 2, w: END, h: NODE };
  const providers = providersAt(pipeline.providers, bandX, bottom, width - bandX);
  const bands = lanes.map(({ lane, y }) => ({ lane, x: bandX, y, w: column(3) + box + PAD - bandX, h: BAND }));
  if (providers.nodes.length) {
    bands.push({ title: "Providers", x: bandX, y: bottom, w: width - bandX, h: providers.height });
  }
  const links = [
    { path: line(source, head), row: head.row },
    ...placed.flatMap((nodes) => linked(head, nodes, end)),
    ...down(placed, providers.nodes, gap, bottom),
  ];
  const height = bottom + (providers.nodes.length ? providers.height : 0);
  return { height, bands, nodes: [head, ...placed.flat(), ...providers.nodes], links, source, end };
}

/** Two rows of boxes: what is pushed, and what is tried again, of each provider. */
function providersAt(providers, x, y, width) {
  const gap = 12;
  const box = (width - 2 * PAD - (providers.length - 1) * gap) / Math.max(1, providers.length);
  const nodes = providers.flatMap(({ stages }, index) => stages.map((row, number) => ({
    row, x: x + PAD + index * (box + gap), y: y + LABEL + 4 + number * (NODE + 26), w: box, h: NODE, room: box,
  })));
  return { nodes, height: LABEL + 4 + 2 * (NODE + 26) };
}

function linked(head, nodes, end) {
  const chain = nodes.slice(1).map((node, index) => ({ path: line(nodes[index], node), row: node.row }));
  if (!nodes.length) return chain;
  return [
    { path: curve(head, nodes[0]), row: nodes[0].row }, ...chain,
    { path: curve(nodes.at(-1), end), row: nodes.at(-1).row },
  ];
}

/** From every store, beside its lane's push, down to the providers. */
function down(placed, providers, gap, bottom) {
  const stores = placed.map((nodes) => nodes.find(({ row }) => row.stage === "store")).filter(Boolean);
  if (!stores.length || !providers.length) return [];
  const x = stores[0].x + stores[0].w + gap / 2;
  return [{ path: `M${x} ${stores[0].y + NODE / 2}V${bottom}`, row: null, faint: true }];
}

function line(from, to) {
  return `M${from.x + from.w} ${from.y + from.h / 2}H${to.x}`;
}

function curve(from, to) {
  const [x, y, toX, toY] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2];
  const half = (x + toX) / 2;
  return `M${x} ${y}C${half} ${y} ${half} ${toY} ${toX} ${toY}`;
}
