// The pipeline as topics.yaml has it, in the shape in which the page shows it.

/** The key of the figures of a stage of a worker in a lane; null: in none. */
export function keyOf({ worker, stage, name, lane }) {
  return [worker, stage ?? name, lane ?? ""].join("|");
}

/**
 * The pipeline as rows: its heads; for each lane its `stages`, which one worker runs; for each provider its own.
 * A row has `id`, `stage`, `lane`, `platform`, `worker`, `group`, and the `keys` of the figures that it adds up.
 */
export function pipelineOf(topology) {
  const rows = new Map();
  for (const stage of topology.stages) {
    const provider = stage.platform && stage.platform !== "socket" ? stage.platform : null;
    const lane = provider ? null : stage.lane;
    const id = [stage.name, stage.worker, lane ?? ""].join("-");
    const row = rows.get(id) ?? {
      id, stage: stage.name, lane, platform: provider, worker: stage.worker, group: stage.group, keys: new Set(),
    };
    row.keys.add(keyOf(stage));
    rows.set(id, row);
  }
  const all = [...rows.values()];
  const lanes = topology.lanes.map((name) => ({
    name, window: topology.windows[name], stages: all.filter((row) => row.lane === name),
  }));
  const providers = topology.platforms.filter((name) => name !== "socket").map((name) => ({
    name, stages: all.filter((row) => row.platform === name),
  })).filter(({ stages }) => stages.length);
  return { all, heads: all.filter((row) => !row.lane && !row.platform), lanes, providers };
}

/** What a row is called where it stands alone. */
export function titleOf(row) {
  return `${row.stage}${row.lane ? ` · ${row.lane}` : ""}${row.platform ? ` · ${row.platform}` : ""}`;
}
