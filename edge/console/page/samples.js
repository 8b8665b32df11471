// Data to begin with for the event types that lockstep ships with; `n` makes each of several differ.

const SAMPLES = {
  "member.viewing.updated": (n) => ({ title: 80057281, position_s: 1312 + n }),
  "member.home.refreshed": (n) => ({ rows: `set ${n}` }),
  "member.plan.changed": (n) => ({ plan: ["premium", "standard", "basic"][n % 3] }),
  "member.list.changed": (n) => ({ titles: { added: [70143836 + n] } }),
  "member.profile.changed": () => ({ profile: 1, name: "Ada" }),
  "member.profile.maturity-changed": (n) => ({ profile: 3, maturity: 70 + n }),
  "device.diagnostics.requested": () => ({ collect: ["network"] }),
};

/** The data of the nth event of a type. */
export function sample(type, n = 0) {
  return SAMPLES[type]?.(n) ?? {};
}

/** The types of all use cases. */
export function typesOf(topology) {
  return topology.use_cases.flatMap(({ types }) => types);
}
