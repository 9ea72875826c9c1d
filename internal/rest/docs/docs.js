// Renders openapi.json as a page. Text is only ever set as text.
"use strict";

function el(name, attrs, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attrs || {})) e.setAttribute(k, v);
  for (const c of children) if (c != null) e.append(c);
  return e;
}

let doc;

function nameOf(ref) { return ref.split("/").pop(); }

function typeOf(s) {
  if (!s) return "";
  if (s.$ref) return el("a", { href: "#schema-" + nameOf(s.$ref) }, nameOf(s.$ref));
  const type = [].concat(s.type || "any").filter((t) => t !== "null").join(" or ");
  if (type === "array") { const span = el("span", {}, "list of "); span.append(typeOf(s.items)); return span; }
  if (s.enum) return s.enum.map((v) => v === "" ? '""' : v).join(" | ");
  return s.format ? type + " (" + s.format + ")" : type;
}

function limits(s) {
  const out = [];
  if (s.minimum != null) out.push("at least " + s.minimum);
  if (s.maximum != null) out.push("at most " + s.maximum);
  if (s.maxLength != null) out.push("at most " + s.maxLength + " characters");
  if (s.default != null) out.push("default " + JSON.stringify(s.default));
  return out.join(", ");
}

function row(name, schema, required, text) {
  const note = [text, limits(schema || {})].filter(Boolean).join(" (") + (text && limits(schema || {}) ? ")" : "");
  return el("tr", {}, el("td", {}, el("code", {}, name), required ? " *" : ""), el("td", { class: "type" }, typeOf(schema)), el("td", {}, note));
}

function fields(schema) {
  const table = el("table");
  const required = schema.required || [];
  for (const [name, s] of Object.entries(schema.properties || {})) table.append(row(name, s, required.includes(name), s.description));
  return table;
}

function bodyOf(title, content) {
  const out = el("div");
  for (const [type, media] of Object.entries(content || {})) {
    const p = el("p", {}, title + " ", el("code", {}, type), ": ");
    p.append(typeOf(media.schema));
    out.append(p);
  }
  return out;
}

function operation(path, method, op) {
  const s = el("section", { id: op.operationId });
  s.append(el("h3", {}, op.summary || op.operationId));
  s.append(el("p", {}, el("code", { class: "method" }, method.toUpperCase() + " " + path)));
  if (op.description) s.append(el("p", {}, op.description));
  if (op.parameters && op.parameters.length) {
    const table = el("table");
    for (const p of op.parameters) table.append(row(p.name + " (" + p.in + ")", p.schema, p.required, p.description || (p.schema || {}).description));
    s.append(table);
  }
  if (op.requestBody) s.append(bodyOf("Body", op.requestBody.content));
  for (const [status, r] of Object.entries(op.responses || {})) {
    if (status === "default") continue;
    s.append(r.content ? bodyOf("Answer " + status, r.content) : el("p", {}, "Answer " + status + " without body"));
  }
  return s;
}

function render() {
  const tags = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of ["get", "post", "put", "patch", "delete"]) {
      const op = item[method];
      if (!op) continue;
      const tag = (op.tags || ["Other"])[0];
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push([path, method, op]);
    }
  }
  const main = document.getElementById("main"), index = document.getElementById("index");
  main.replaceChildren(el("h1", {}, doc.info.title + " API " + doc.info.version), el("p", {}, doc.info.description));
  for (const tag of [...tags.keys()].sort()) {
    main.append(el("h2", {}, tag));
    index.append(el("h2", {}, tag));
    for (const [path, method, op] of tags.get(tag)) {
      main.append(operation(path, method, op));
      index.append(el("a", { href: "#" + op.operationId }, op.summary || op.operationId));
    }
  }
  main.append(el("h2", {}, "Types"));
  for (const [name, schema] of Object.entries(doc.components.schemas)) {
    const s = el("section", { id: "schema-" + name }, el("h3", {}, name));
    if (schema.description) s.append(el("p", {}, schema.description));
    s.append(fields(schema));
    main.append(s);
  }
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

document.getElementById("find").addEventListener("input", (e) => {
  const want = e.target.value.toLowerCase();
  for (const a of document.querySelectorAll("#index a")) a.hidden = !a.textContent.toLowerCase().includes(want);
});

fetch("/api/v1/openapi.json")
  .then((r) => { if (!r.ok) throw new Error("status " + r.status); return r.json(); })
  .then((d) => { doc = d; render(); })
  .catch((e) => document.getElementById("main").replaceChildren(el("p", {}, "openapi.json could not be read: " + e.message)));
