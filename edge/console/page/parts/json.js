// JSON that a reader has typed.

/** What the text says; nothing is null. Throws an error that `Failed` can show. */
export function parsed(text) {
  try {
    return text.trim() ? JSON.parse(text) : null;
  } catch (error) {
    throw Object.assign(new Error(error.message), { problem: { title: "The data is no JSON", detail: error.message } });
  }
}
