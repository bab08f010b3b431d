"use strict";
// The live page: draws what /events tells of one stream, lists the others. No state is kept but what is on the screen.

const SECONDS = 30;
const COLORS = ["#3b82f6", "#e8590c", "#2f9e44", "#c2255c", "#7950f2", "#0c8599", "#b8860b", "#868e96", "#d6336c", "#1098ad", "#74b816", "#f08c00"];
const key = new URLSearchParams(location.search).get("key") || "";
const at = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function duration(ns) {
  if (ns < 1000) return `${ns} ns`;
  if (ns < 1e6) return `${+(ns / 1000).toPrecision(3)} µs`;
  return `${+(ns / 1e6).toPrecision(3)} ms`;
}

// What of time is drawn: all that is there, but 5 s at least and the last half minute at most.
function span(low, high) {
  const end = Math.max(high ?? Date.now() / 1000, (low ?? 0) + 5);
  return [Math.max(low ?? end - SECONDS, end - SECONDS), end];
}

class Chart {
  constructor(place, names) {
    this.place = place;
    this.names = names;
    this.data = [[], ...names.map(() => [])];
    this.plot = new uPlot(this.options(), this.data, place);
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redo());
  }

  size() {
    return { width: Math.max(200, this.place.clientWidth), height: innerWidth < 500 ? 170 : 210 };
  }

  options() {
    const clock = (u, ticks) => ticks.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB"));
    const axis = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
    const lines = this.names.map((label, i) => ({ label, stroke: COLORS[i % COLORS.length], width: 1.5, points: { show: false } }));
    const time = { range: (u, low, high) => span(low, high) };
    return { ...this.size(), series: [{ label: "time" }, ...lines], axes: [{ ...axis, values: clock, incrs: [1, 2, 5, 10], space: 80, size: 34 }, axis], scales: { x: time }, legend: { live: false }, cursor: { y: false } };
  }

  redo() {
    this.plot.destroy();
    this.plot = new uPlot(this.options(), this.data, this.place);
  }

  add(rows, from) {
    for (const row of rows) {
      this.data[0].push(row[0]);
      for (let i = 1; i < this.data.length; i++) this.data[i].push(row[from + i] ?? null);
    }
    const old = this.data[0].findIndex((t) => t > (this.data[0].at(-1) || 0) - SECONDS - 1);
    if (old > 0) this.data = this.data.map((column) => column.slice(old));
    if (rows.length) this.plot.setData(this.data);
  }
}

function histogram(bounds, counts) {
  const total = counts.reduce((a, b) => a + b, 0);
  const used = counts.map((count, i) => (count ? i : -1)).filter((i) => i >= 0);
  const list = at("histogram");
  list.replaceChildren();
  if (!used.length) return;
  for (let i = used[0]; i <= used.at(-1); i++) {
    const line = document.createElement("li");
    const name = document.createElement("div");
    name.textContent = i < bounds.length ? `≤ ${duration(bounds[i])}` : `> ${duration(bounds.at(-1))}`;
    const bar = document.createElement("meter");
    bar.max = Math.max(...counts);
    bar.value = counts[i];
    const share = document.createElement("span");
    share.textContent = `${(100 * counts[i] / total).toFixed(1)} %`;
    line.append(name, bar, share);
    list.append(line);
  }
}

function counters(told) {
  const parts = [];
  for (const [name, value] of Object.entries(told)) {
    const term = document.createElement("dt");
    term.textContent = name;
    const number = document.createElement("dd");
    number.textContent = typeof value === "number" ? value.toLocaleString("en") : value;
    parts.push(term, number);
  }
  at("counters").replaceChildren(...parts);
}

function streams(told) {
  at("listing").hidden = told.length < 2 && !(told[0] && told[0][0]);
  const wanted = at("filter").value.toLowerCase();
  const rows = told.filter(([name]) => name.toLowerCase().includes(wanted)).sort((a, b) => a[0].localeCompare(b[0], "en", { numeric: true }));
  at("streams").replaceChildren(...rows.map(([name, steps, says]) => {
    const row = document.createElement("tr");
    row.className = name === key ? "chosen" : "";
    const link = document.createElement("a");
    link.href = `?key=${encodeURIComponent(name)}`;
    link.textContent = name;
    const cells = [link, document.createTextNode(steps.toLocaleString("en")), document.createTextNode(says)];
    row.append(...cells.map((content) => { const cell = document.createElement("td"); cell.append(content); return cell; }));
    return row;
  }));
  const mine = told.find(([name]) => name === key);
  at("label").textContent = mine ? mine[2] : "";
}

async function begin() {
  const about = await (await fetch("about")).json();
  document.title = at("title").textContent = about.title;
  at("stream").textContent = key;
  const inputs = new Chart(at("inputs"), about.inputs);
  const outputs = new Chart(at("outputs"), about.outputs);
  const events = new EventSource(`events?key=${encodeURIComponent(key)}`);
  events.onmessage = (event) => {
    const told = JSON.parse(event.data);
    if (!key && told.streams && told.streams.length && told.streams[0][0]) location.replace(`?key=${encodeURIComponent(told.streams[0][0])}`);
    at("link").textContent = "live";
    at("link").className = "";
    inputs.add(told.rows, 0);
    outputs.add(told.rows, about.inputs.length);
    histogram(about.bounds, told.histogram);
    counters(told.counters);
    if (told.streams) streams(told.streams);
  };
  events.onerror = () => {
    at("link").textContent = "no connection; trying again …";
    at("link").className = "lost";
  };
}

begin();
