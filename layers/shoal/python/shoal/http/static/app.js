// Draws /openapi.json as a page. Text only ever enters as text nodes, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// A sentence, with what stands between backticks as code.
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function resolve(schema, api) {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? api.components.schemas[name] : schema || {};
}

function typeOf(schema, api) {
  const found = resolve(schema, api);
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (found.anyOf) return found.anyOf.map((part) => typeOf(part, api)).join(" | ");
  if (found.type === "array") return `list of ${typeOf(found.items, api)}`;
  const low = found.minimum ?? found.minLength ?? found.minItems;
  const high = found.maximum ?? found.maxLength ?? found.maxItems;
  const bounds = low === undefined && high === undefined ? "" : ` ${low ?? ""}..${high ?? ""}`;
  return `${found.type || "any"}${bounds}`;
}

function example(schema, api, name = "") {
  const found = resolve(schema, api);
  if (found.examples) return found.examples[0];
  if (found.default !== undefined && found.default !== null) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  if (found.anyOf) return example(found.anyOf[0], api, name);
  if (found.type === "object") {
    if (!found.properties) return {};
    const wanted = Object.entries(found.properties).filter(([field]) => (found.required || []).includes(field));
    return Object.fromEntries(wanted.map(([field, part]) => [field, example(part, api, field)]));
  }
  if (found.type === "array") {
    const inner = resolve(found.items, api);
    return inner.type === "number" ? [0.1, 0.2, 0.3, 0.4] : [example(found.items, api, name)];
  }
  if (found.type === "integer") return name === "dimension" ? 4 : found.minimum || 1;
  if (found.type === "number") return 0.5;
  if (found.type === "boolean") return false;
  return ["name", "dataset"].includes(name) ? "products" : "doc-1";
}

function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function curl(method, path, operation, api) {
  const samples = { name: "products", id: "doc-1", job_id: "$JOB_ID", key_id: "$KEY_ID", task_id: "$TASK_ID" };
  const url = location.origin + path.replace(/\{(\w+)\}/g, (_, name) => samples[name] || name);
  const parts = ["curl -sS"];
  if (method !== "get") parts.push(`-X ${method.toUpperCase()}`);
  if (!operation.security) parts.push('-H "Authorization: Bearer $SHOAL_API_KEY"');
  const content = operation.requestBody && operation.requestBody.content;
  if (content) {
    const [kind, body] = Object.entries(content)[0];
    const value = example(body.schema, api);
    parts.push(`-H ${quote(`Content-Type: ${kind}`)}`, `--data-binary ${quote(JSON.stringify(value))}`);
  }
  return [...parts, `"${url}"`].join(" ");
}

function fields(schema, api) {
  const found = resolve(schema, api);
  const rows = Object.entries(found.properties || {}).map(([name, part]) => {
    const needed = (found.required || []).includes(name) ? "" : ", optional";
    return element("tr", {}, element("td", {}, element("code", {}, name)), element("td", {}, typeOf(part, api) + needed));
  });
  const table = element("table", {}, element("tbody", {}, ...rows));
  return found.description ? [element("p", { class: "quiet" }, ...prose(found.description)), table] : [table];
}

function parameters(operation, api) {
  const rows = (operation.parameters || []).map((parameter) =>
    element(
      "tr",
      {},
      element("td", {}, element("code", {}, parameter.name)),
      element(
        "td",
        {},
        `in the ${parameter.in}, ${typeOf(parameter.schema, api)}. `,
        ...prose(parameter.description || ""),
      ),
    ),
  );
  if (!rows.length) return [];
  return [element("h4", {}, "Parameters"), element("table", {}, element("tbody", {}, ...rows))];
}

function answers(operation, api) {
  const parts = [element("h4", {}, "Answers")];
  for (const [status, answer] of Object.entries(operation.responses)) {
    const line = element("p", {}, element("code", {}, status), " ", ...prose(answer.description));
    parts.push(line);
    const body = answer.content && answer.content["application/json"];
    if (body && status < "300") parts.push(...fields(body.schema, api));
  }
  return parts;
}

function call(method, path, operation, api) {
  const scope = operation["x-shoal-scope"];
  const card = element(
    "article",
    { id: operation.operationId },
    element("h3", {}, element("span", { class: `method ${method}` }, method.toUpperCase()), ` ${path}`),
    element("p", {}, `${operation.summary.replace(/[^?]$/, "$&.")} Needs ${scope ? `the scope ${scope}` : "no key"}.`),
    element("pre", {}, element("code", {}, curl(method, path, operation, api))),
    ...parameters(operation, api),
  );
  const content = operation.requestBody && operation.requestBody.content;
  if (content) {
    const [kind, body] = Object.entries(content)[0];
    const each = kind === "application/x-ndjson" ? ", one object a line" : "";
    card.append(element("h4", {}, `Body (${kind}${each})`), ...fields(body.schema, api));
  }
  card.append(...answers(operation, api));
  return card;
}

function draw(api) {
  document.getElementById("version").textContent = api.info.version;
  document.getElementById("description").append(...prose(api.info.description));
  const calls = document.getElementById("calls");
  const contents = document.getElementById("contents");
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags[0];
      groups.set(tag, [...(groups.get(tag) || []), [method, path, item[method]]]);
    }
  }
  for (const [tag, operations] of groups) {
    contents.append(element("h2", {}, tag));
    for (const [method, path, operation] of operations) {
      const card = call(method, path, operation, api);
      const link = element("a", { href: `#${operation.operationId}` }, operation.summary);
      link.dataset.of = operation.operationId;
      card.dataset.text = card.textContent.toLowerCase();
      calls.append(card);
      contents.append(link);
    }
  }
}

function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of document.querySelectorAll("article")) {
    const found = words.every((word) => card.dataset.text.includes(word));
    card.hidden = !found;
    document.querySelector(`a[data-of="${card.id}"]`).hidden = !found;
    shown += found ? 1 : 0;
  }
  document.getElementById("state").textContent = words.length ? `${shown} calls found` : "";
}

function setTheme(dark) {
  document.documentElement.className = dark ? "dark" : "light";
  const button = document.getElementById("theme");
  button.textContent = dark ? "Light" : "Dark";
  button.setAttribute("aria-pressed", String(dark));
}

async function start() {
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(dark);
  document.getElementById("theme").addEventListener("click", () => setTheme((dark = !dark)));
  const state = document.getElementById("state");
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    draw(await answer.json());
    state.textContent = "";
    document.getElementById("search").addEventListener("input", (event) => search(event.target.value));
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    state.textContent = `Could not load /openapi.json (${error.message}); reload the page to try again.`;
  }
}

start();
