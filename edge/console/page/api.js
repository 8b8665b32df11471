// Asks the console's server, and nobody else.

const BASE = "api/v1"; // relative: the console may live below a path of its host

/** The server refused, or was not reached (`status` 0). `problem` is its problem+json, {} where it gave none. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the console answered ${status}`);
    this.name = "ApiError";
    Object.assign(this, { status, problem });
  }
}

let csrf = "";
let onEnd = () => {};

/** Keep what changes must be sent with: the text of the session that began. */
export function useSession(text) {
  csrf = text;
}

/** Call `tell` whenever an answer says that the session is over. */
export function whenOver(tell) {
  onEnd = tell;
}

/** The answer to a GET as an object. `query`: what is empty is left out. Throws ApiError. */
export function get(path, query = {}, signal = undefined) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  return ask("GET", asked.size ? `${path}?${asked}` : path, undefined, signal);
}

/** The answer to a POST as an object. Throws ApiError. */
export function post(path, body) {
  return ask("POST", path, body);
}

/** The answer to a DELETE. Throws ApiError. */
export function remove(path, signal = undefined) {
  return ask("DELETE", path, undefined, signal);
}

async function ask(method, path, body = undefined, signal = undefined) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const text = body === undefined ? undefined : JSON.stringify(body);
  let response;
  try {
    response = await fetch(BASE + path, { method, headers, body: text, cache: "no-store", signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: "The console's server cannot be reached. Is `lockstep console` running?" });
  }
  const answer = await parsed(response);
  if (response.status === 401 && path !== "/session") onEnd();
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

async function parsed(response) {
  try {
    const said = await response.text();
    return said ? JSON.parse(said) : {};
  } catch {
    return {};
  }
}
