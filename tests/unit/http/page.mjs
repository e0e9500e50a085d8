// Runs the script of /docs over just enough of a page, and prints what it drew as JSON.
// Arguments: the script, the OpenAPI document, words to search for.
import { readFileSync } from "node:fs";

class Node {
  constructor(tag) {
    Object.assign(this, { tag, children: [], dataset: {}, listeners: {}, text: "", hidden: false });
  }
  setAttribute(name, value) { this[name] = value; }
  append(...children) { this.children.push(...children); }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  get textContent() { return this.text + this.children.map((child) => child.textContent ?? child).join(""); }
  set textContent(text) { Object.assign(this, { text, children: [] }); }
}

const [, , script, api, words] = process.argv;
const names = ["version", "description", "state", "calls", "contents", "search", "theme"];
const parts = Object.fromEntries(names.map((name) => [name, new Node("div")]));
globalThis.document = {
  documentElement: new Node("html"),
  createElement: (tag) => new Node(tag),
  getElementById: (name) => parts[name],
  querySelectorAll: () => parts.calls.children,
  querySelector: (wanted) => parts.contents.children.find((link) => wanted.includes(`"${link.dataset.of}"`)),
};
globalThis.location = { origin: "http://127.0.0.1:8080", hash: "" };
globalThis.matchMedia = () => ({ matches: true });
globalThis.fetch = async () => ({ ok: true, json: async () => JSON.parse(readFileSync(api)) });
(0, eval)(readFileSync(script, "utf8"));
await new Promise((done) => setTimeout(done, 20));
const curl = parts.calls.children.map((card) => card.children.find((part) => part.tag === "pre").textContent);
parts.search.listeners.input({ target: { value: words } });
const found = parts.calls.children.filter((card) => !card.hidden).map((card) => card.id);
parts.theme.listeners.click();
const code = parts.description.children.filter((part) => part.tag === "code").map((part) => part.textContent);
console.log(JSON.stringify({ curl, found, code, state: parts.state.textContent, theme: document.documentElement.className }));
