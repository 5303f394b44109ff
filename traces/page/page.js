// Steps through the records of a page. Plain JavaScript: texts of records only ever become text
// nodes, so that a record can show whatever it likes and do nothing.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
// Steps whose rows are in the document at a time.
const WINDOW = 200;
// A state is kept for every so many steps; the others are made from it.
const STRIDE = 100;
// Milliseconds between two steps while it plays.
const TEMPO = 700;

const data = JSON.parse(document.getElementById("data").textContent);
const app = document.getElementById("app");
let view = null;

// ---- elements ---------------------------------------------------------------------

function put(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

const h = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => put(document.createElementNS(SVG, tag), attributes, children);
const panel = (id, title, ...children) =>
  h("section", { class: "panel scroll", id, "aria-labelledby": id + "-title" },
    h("h2", { id: id + "-title" }, title), ...children);

// A text that may be broken behind punctuation, too.
const breakable = text => text.split(/(?<=[_(,|])/).flatMap((part, i) => i ? [h("wbr"), part] : [part]);

const shown = value =>
  value === true ? "yes" : value === false ? "no" : Array.isArray(value) ? value.join(", ") : String(value);
const steps = n => n === 1 ? "1 step" : n + " steps";

// ---- the states of a record --------------------------------------------------------

class History {
  constructor(record) {
    this.record = record;
    this.length = record.steps.length;
    this.kept = [];
    const values = Uint32Array.from(record.first);
    for (let i = 0; i <= this.length; i++) {
      if (i % STRIDE === 0) this.kept.push(values.slice());
      if (i < this.length) apply(values, record.steps[i]);
    }
    this.at = {};
    record.variables.forEach(([table, row, name], v) => {
      const rows = this.at[table] = this.at[table] || new Map();
      if (!rows.has(row)) rows.set(row, new Map());
      rows.get(row).set(name, v);
    });
    this.tasks = record.actors.filter(a => a.kind === "task").length;
    this.workers = record.actors.filter(a => a.kind === "worker").length;
    this.lanes = record.actors.map((_, i) => i).filter(i => this.acts(i));
    this.repeats = record.repeats_from !== undefined && record.repeats_from < this.length;
  }

  acts(i) {
    const { actors, lines, messages } = this.record;
    return actors[i].kind === "task" || lines.some(l => l.actor === i) ||
      (messages || []).some(m => m.from === i || m.to === i);
  }

  // The values after so many steps.
  state(n) {
    const values = this.kept[Math.floor(n / STRIDE)].slice();
    for (let i = n - n % STRIDE; i < n; i++) apply(values, this.record.steps[i]);
    return values;
  }

  value(values, table, row, name) {
    const v = this.at[table]?.get(row)?.get(name);
    return v === undefined ? "" : this.record.values[values[v]];
  }

  actor(step) {
    const [word, first] = this.record.actions[step.act].split(" ");
    const last = this.record.actors.length - 1;
    const who = word === "start" || word === "task" ? Number(first)
      : word === "worker" || word === "deliver" || word === "expire" ? this.tasks + Number(first)
      : word === "server" ? this.tasks + this.workers : last;
    return Math.min(who, last);
  }

  lines(step) { return (step.say || []).map(i => this.record.lines[i]); }

  told(n) {
    const step = this.record.steps[n - 1], who = this.record.actors[this.actor(step)].name;
    const lines = this.lines(step).map(text);
    return who + ": " + (lines.length ? lines.join("; ") : "goes on");
  }
}

function apply(values, step) {
  const set = step.set || [];
  for (let i = 0; i < set.length; i += 2) values[set[i]] = set[i + 1];
}

const text = line => line.outcome ? (line.call ? line.call + ": " + line.outcome : line.outcome) : line.call;

// ---- a record ----------------------------------------------------------------------

class View {
  constructor(record, back) {
    this.history = new History(record);
    this.record = record;
    this.step = 0;
    this.timer = null;
    this.from = -1;
    this.query = "";
    app.replaceChildren();
    app.append(this.head(back), this.toolbar(), this.body());
    this.live = h("p", { class: "hidden", "aria-live": "polite", role: "status" });
    app.append(this.live);
    document.title = `${record.property || "history"}: ${record.scenario.name} under ${record.design.name}`;
  }

  head(back) {
    const r = this.record, search = r.search;
    const figures = search && [
      search.states !== undefined && `${search.states.toLocaleString("en")} states looked at`,
      `${search.transitions.toLocaleString("en")} transitions`,
      search.shortest ? "no history is shorter" : "there may be a shorter history",
    ].filter(Boolean).join(", ");
    return h("header", {},
      back && h("p", { class: "noprint" }, h("a", { href: "#" }, "back to the table")),
      h("h1", {}, r.property ? [r.property + " ", h("span", { class: "bad" }, r.verdict || "violated")] : "A history"),
      h("p", {}, "Scenario ", h("code", {}, r.scenario.name), " under design ", h("code", {}, r.design.name),
        r.switches && r.switches.length ? "; " + r.switches.join(", ") : "", ". ", r.meaning),
      figures && h("p", { class: "dim" }, figures + "."),
      r.command && h("p", {}, h("code", {}, r.command)));
  }

  toolbar() {
    const last = this.history.length;
    const button = (label, title, action) =>
      h("button", { type: "button", title, "aria-label": title, onclick: action }, label);
    this.play = button("▶", "Play (space)", () => this.toggle());
    this.slider = h("input", { type: "range", min: 0, max: last, value: 0, "aria-label": "Step",
      oninput: e => this.go(Number(e.target.value)) });
    this.number = h("input", { type: "number", min: 0, max: last, value: 0, "aria-label": "Go to step",
      onchange: e => this.go(Number(e.target.value)) });
    this.search = h("input", { type: "search", placeholder: "Search (/)", "aria-label": "Search in steps",
      onkeydown: e => { if (e.key === "Enter") { e.preventDefault(); this.find(e.target.value, e.shiftKey ? -1 : 1); } } });
    this.found = h("span", { class: "dim", role: "status" });
    return h("nav", { class: "bar", "aria-label": "Steps" },
      button("|◀", "First state (Home)", () => this.go(0)),
      button("←", "One step back (left arrow)", () => this.go(this.step - 1)),
      this.play,
      button("→", "Next step (right arrow)", () => this.next()),
      button("▶|", "Last state (End)", () => this.go(last)),
      this.slider, this.number, h("span", { class: "dim" }, "of " + last), this.search, this.found);
  }

  body() {
    const side = this.side = {};
    for (const id of ["now", "choices", "waits", "loop", "glocks", "tasks", "pages", "messages", "space", "all"])
      side[id] = h("div");
    this.heads = h("tr", {}, h("th", { class: "number", scope: "col" }, "Step"),
      this.history.lanes.map(i => {
        const a = this.record.actors[i];
        const node = a.kind === "task" && this.record.scenario.nodes > 1 ? ` on node ${a.node}` : "";
        return h("th", { scope: "col" }, a.name + node, a.operation && h("small", {}, a.operation));
      }));
    this.rows = h("tbody");
    const end = this.record.closing || [];
    return h("div", { class: "grid" },
      h("div", {},
        h("p", {}, this.record.initially),
        h("div", { class: "tablebox" },
          h("table", { class: "history", "aria-label": "The history, a column for each that acts" },
            h("colgroup", {}, h("col", { class: "number" }),
              this.history.lanes.map(i => h("col", { class: this.record.actors[i].kind }))),
            h("thead", {}, this.heads), this.rows)),
        end.length ? h("section", { class: "panel", "aria-label": "At the end" },
          h("h2", {}, "At the end"),
          h("div", { class: "closing mono" }, end.join("\n"))) : ""),
      h("div", { class: "side" },
        data.live && panel("choices", "Possible steps", side.choices),
        panel("now", "This step", side.now),
        this.history.repeats && panel("loop", "The loop", side.loop),
        panel("waits", "Who waits for whom", side.waits),
        panel("glocks", "Glocks", side.glocks),
        this.design(),
        panel("tasks", "Tasks", side.tasks),
        panel("pages", "Pages and page tables", side.pages),
        this.history.at["lock-space"] && panel("messages", "Messages in flight", side.messages),
        this.history.at["lock-space"] && panel("space", "Lock space", side.space),
        h("section", { class: "panel scroll" }, this.everything = h("details", { ontoggle: () => this.all() },
          h("summary", {}, "All variables"), side.all))));
  }

  design() {
    this.sourceLines = new Map();
    const sources = this.record.design.sources.map((source, i) => {
      const lines = source.text.map((line, n) => {
        const item = h("li", {}, line || " ");
        this.sourceLines.set(source.design + ":" + (n + 1), item);
        return item;
      });
      return h("details", { open: i === 0, "data-design": source.design },
        h("summary", {}, source.design), h("ol", { class: "source mono" }, lines));
    });
    this.designs = h("div", { class: "designs", tabindex: 0, "aria-label": "Text of the design" }, sources);
    return panel("design", "The design, with where everybody is", this.designs);
  }

  // ---- moving

  go(n, quiet) {
    n = Math.max(0, Math.min(this.history.length, Number.isFinite(n) ? Math.round(n) : 0));
    this.step = n;
    this.draw();
    if (!quiet) {
      const hash = hashOf(n);
      if (location.hash !== hash) history.replaceState(null, "", hash);
    }
  }

  next() {
    if (this.step < this.history.length) this.go(this.step + 1);
    else if (this.history.repeats) this.go(this.record.repeats_from + 1);
    else this.stop();
  }

  toggle() { if (this.timer) this.stop(); else this.start(); }

  start() {
    if (this.step === this.history.length && !this.history.repeats) this.go(0);
    this.timer = setInterval(() => this.next(), TEMPO);
    this.play.textContent = "‖";
    this.play.setAttribute("aria-label", "Pause (space)");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play (space)");
  }

  find(query, direction) {
    this.query = query.trim().toLowerCase();
    this.from = -1;
    if (!this.query) { this.found.textContent = ""; this.draw(); return; }
    const hits = [];
    for (let n = 1; n <= this.history.length; n++) if (this.hit(n)) hits.push(n);
    if (hits.length) {
      const next = direction > 0
        ? hits.find(n => n > this.step) ?? hits[0]
        : hits.findLast(n => n < this.step) ?? hits[hits.length - 1];
      this.go(next);
      this.found.textContent = `${hits.indexOf(next) + 1} of ${hits.length}`;
    } else {
      this.draw();
      this.found.textContent = "not found";
    }
  }

  hit(n) { return this.query && this.history.told(n).toLowerCase().includes(this.query); }

  // ---- drawing

  draw() {
    const n = this.step, values = this.history.state(n);
    const step = n > 0 ? this.record.steps[n - 1] : null;
    const before = n > 0 ? this.history.state(n - 1) : values;
    const changed = new Set();
    for (let i = 0; step && i < (step.set || []).length; i += 2) changed.add(step.set[i]);
    this.values = values; this.changed = changed; this.before = before;
    this.slider.value = n;
    this.number.value = n;
    this.window();
    this.now(step);
    this.drawWaits();
    if (this.history.repeats) this.drawLoop();
    this.glocks();
    this.tasksTable();
    this.pagesTables();
    this.messagesTable();
    this.marks();
    this.all();
    this.live.textContent = n === 0 ? "Before the first step" : `Step ${n} of ${this.history.length}. ${this.history.told(n)}`;
  }

  window() {
    const n = this.step, page = Math.floor(Math.max(0, n - 1) / WINDOW) * WINDOW;
    if (page !== this.from) {
      this.from = page;
      this.fill(page, Math.min(page + WINDOW, this.history.length));
    }
    this.row?.classList.remove("now");
    this.row?.removeAttribute("aria-current");
    this.row = this.byStep.get(n);
    if (this.row) {
      this.row.classList.add("now");
      this.row.setAttribute("aria-current", "step");
      this.row.scrollIntoView({ block: "nearest" });
    }
  }

  fill(from, to) {
    const rows = [], r = this.record;
    const wide = this.history.lanes.length + 1;
    const note = (...content) => rows.push(h("tr", { class: "note" }, h("td", { colspan: wide }, ...content)));
    this.byStep = new Map();
    this.places = new Map();
    if (from === 0) rows.push(this.stepRow(0));
    else note(h("button", { type: "button", onclick: () => this.go(from) }, "earlier steps"));
    for (let n = from + 1; n <= to; n++) {
      if (this.history.repeats && n === r.repeats_from + 1) note(`for ever: ${steps(this.history.length - r.repeats_from)} a round`);
      rows.push(this.stepRow(n));
    }
    if (to < this.history.length) note(h("button", { type: "button", onclick: () => this.go(to + 1) }, "later steps"));
    else if (this.history.repeats) note(`↩ back to the state after step ${r.repeats_from}`);
    else if (r.repeats_from !== undefined) note("and nothing happens any more");
    else if (r.trap) note(`no way out of ${r.trap.by_representative ? "at least " : ""}${r.trap.states} states`);
    this.rows.replaceChildren(...rows);
  }

  stepRow(n) {
    const number = h("th", { class: "number", scope: "row" }, h("a", { href: hashOf(n) }, String(n)));
    const again = this.history.repeats && n > this.record.repeats_from;
    const row = h("tr", { class: (again ? "again " : "") + (n > 0 && this.hit(n) ? "hit" : ""),
      onclick: () => this.go(n) }, number);
    this.byStep.set(n, row);
    const step = n > 0 ? this.record.steps[n - 1] : null;
    for (const lane of this.history.lanes) {
      const cell = h("td", {});
      if (step) {
        for (const line of this.history.lines(step)) if (line.actor === lane) cell.append(this.line(line));
        for (const i of step.send || []) {
          const m = this.record.messages[i];
          if (m.from === lane) cell.append(h("div", { class: "message" }, `→ ${this.record.actors[m.to].name}: ${m.file} ${m.text}`));
        }
        for (const i of step.take || []) {
          const m = this.record.messages[i];
          if (m.to === lane) cell.append(h("div", { class: "message" }, `← ${this.record.actors[m.from].name}: ${m.file} ${m.text}`));
        }
        if (!cell.childNodes.length && lane === this.history.actor(step)) cell.append(h("span", { class: "dim" }, "·"));
      }
      if (cell.childNodes.length) cell.setAttribute("data-lane", this.record.actors[lane].name);
      row.append(cell);
    }
    return row;
  }

  line(line) {
    const place = line.place && `${this.record.design.sources[line.place[0]].design}:${line.place[1]}`;
    const news = place && this.places.get(line.actor) !== place;
    if (news) this.places.set(line.actor, place);
    return h("div", { class: "line d" + Math.min(line.depth, 8), title: place }, breakable(text(line)),
      news ? [" ", h("small", {}, `[${place}]`)] : "");
  }

  now(step) {
    const box = this.side.now;
    if (!step) { box.replaceChildren(h("p", {}, "Before the first step.")); return; }
    const r = this.record, actor = r.actors[this.history.actor(step)];
    const lines = this.history.lines(step);
    const inside = lines.find(l => l.function)?.function;
    const place = lines.find(l => l.place)?.place;
    const source = place && r.design.sources[place[0]];
    const items = [...this.changed].filter(v => r.variables[v][0] !== "waits").map(v => {
      const [table, row, name] = r.variables[v];
      return h("li", {}, `${row} ${name}: `, h("span", { class: "dim" }, shown(r.values[this.before[v]]) || "nothing"),
        " → ", h("strong", {}, shown(r.values[this.values[v]]) || "nothing"), h("span", { class: "hidden" }, ` (${table})`));
    });
    box.replaceChildren(
      h("p", {}, h("strong", {}, actor.name), inside ? [" in ", h("code", {}, inside)] : ""),
      h("div", { class: "mono" }, lines.length ? lines.map(l => h("div", {}, l.actor === this.history.actor(step) ? "" : r.actors[l.actor].name + ": ", text(l))) : "goes on"),
      source ? h("p", { class: "mono dim" }, `${source.design}:${place[1]} ${(source.text[place[1] - 1] || "").trim()}`) : "",
      items.length ? h("ul", { class: "changes mono", "aria-label": "What changed" }, items) : h("p", { class: "dim" }, "Nothing changed."));
  }

  // A table of variables: a row each, the given names as columns.
  table(table, columns, make) {
    const rows = this.history.at[table];
    if (!rows) return h("p", { class: "dim" }, "none");
    const names = columns || [...new Set([...rows.values()].flatMap(m => [...m.keys()]))];
    return h("table", { class: "state" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), names.map(n => h("th", { scope: "col" }, n)))),
      h("tbody", {}, [...rows].map(([row, vars]) => h("tr", {}, h("th", { scope: "row" }, row),
        names.map(name => {
          const v = vars.get(name === "holders" || name === "waiters" ? "gl_holders" : name);
          if (v === undefined) return h("td", {});
          const value = this.record.values[this.values[v]];
          const old = this.record.values[this.before[v]];
          const [now, was] = [make ? make(name, value) : shown(value), make ? make(name, old) : shown(old)];
          return h("td", { class: now !== was && "changed", title: now !== was && `was ${was || "nothing"}` }, now);
        })))));
  }

  glocks() {
    const make = (name, value) => {
      if (name !== "holders" && name !== "waiters") return shown(value);
      const holds = entry => entry.slice(entry.lastIndexOf(" ")).includes("H");
      return (Array.isArray(value) ? value : []).filter(e => holds(e) === (name === "holders")).join(", ");
    };
    const columns = ["gl_state", "holders", "waiters", "gl_flags", "gl_target", "demote", "xmote", "i_rwsem"];
    this.side.glocks.replaceChildren(this.table("glocks", columns, make),
      h("p", { class: "dim" }, "H holds, W waits, t TRY, T TRY_1CB, D may be taken; flags as in gfs2's glock dump"));
  }

  tasksTable() {
    const columns = ["status", "returned", "at", "handler at", "sleeps", "in", "fault", "mmap_lock", "page lock"];
    const rest = [...this.history.at.tasks].map(([row, vars]) => {
      const words = [...vars].filter(([name, v]) => {
        const value = this.record.values[this.values[v]];
        return !columns.includes(name) && !name.includes("instruction") && value !== 0 && value !== false && value !== "" && !(Array.isArray(value) && !value.length);
      }).map(([name, v]) => [h("span", { class: this.changed.has(v) && "changed" }, `${name}=${shown(this.record.values[this.values[v]])}`), " "]);
      return words.length ? h("p", { class: "mono" }, h("strong", {}, row + " "), words) : "";
    });
    this.side.tasks.replaceChildren(this.table("tasks", columns), ...rest);
  }

  pagesTables() {
    this.side.pages.replaceChildren(this.table("pages"), this.table("ptes"),
      this.history.at.flags ? this.table("flags") : "");
  }

  messagesTable() {
    const rows = this.history.at.messages;
    if (!rows) return;
    const list = [];
    for (const [row, vars] of rows) for (const [name, v] of vars) {
      const value = this.record.values[this.values[v]];
      if (value !== "" && !(Array.isArray(value) && !value.length))
        list.push(h("li", { class: this.changed.has(v) && "changed" }, `${row} ${name}: ${shown(value)}`));
    }
    this.side.messages.replaceChildren(list.length ? h("ul", { class: "changes mono" }, list) : h("p", { class: "dim" }, "none"));
    this.side.space.replaceChildren(this.table("lock-space"));
  }

  marks() {
    for (const item of this.marked || []) {
      item.classList.remove("here");
      for (const badge of item.querySelectorAll(".badge")) badge.remove();
    }
    this.marked = [];
    for (const [row, vars] of this.history.at.tasks) {
      const inner = shown(this.record.values[this.values[vars.get("handler at")]]);
      const outer = shown(this.record.values[this.values[vars.get("at")]]);
      for (const [place, label] of [[outer, inner ? row + " (outside)" : row], [inner, row]]) {
        const item = this.sourceLines.get(place);
        if (!item) continue;
        item.classList.add("here");
        item.append(h("span", { class: "badge" }, label));
        this.marked.push(item);
        const details = item.closest("details");
        if (details) details.open = true;
      }
    }
    const first = this.marked[this.marked.length - 1];
    if (first) {
      const box = this.designs, top = first.offsetTop - box.offsetTop;
      if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 40) box.scrollTop = top - 60;
    }
  }

  all() {
    if (!this.everything.open) return;
    const list = this.record.variables.map(([table, row, name], v) =>
      h("tr", {}, h("th", { scope: "row" }, `${table}/${row}/${name}`),
        h("td", { class: this.changed.has(v) && "changed" }, shown(this.record.values[this.values[v]]))));
    this.side.all.replaceChildren(h("table", { class: "state" }, h("tbody", {}, list)));
  }

  drawWaits() {
    const edges = [], rows = this.history.at.waits || new Map();
    let cycle = [];
    for (const [row, vars] of rows) {
      const value = name => this.record.values[this.values[vars.get(name)]];
      if (vars.has("cycle")) cycle = value("cycle") || [];
      else for (const whom of value("waits for") || []) edges.push([row, whom]);
    }
    const names = [...new Set([...cycle, ...edges.flat()])];
    if (!names.length) { this.side.waits.replaceChildren(h("p", { class: "dim" }, "Nobody waits for anybody.")); return; }
    const told = cycle.length
      ? h("p", { class: "bad" }, "Cycle: " + [...cycle, cycle[0]].join(" → "))
      : h("p", { class: "dim" }, edges.map(([a, b]) => `${a} → ${b}`).join("; "));
    this.side.waits.replaceChildren(waitsPicture(names, edges, cycle), told);
  }

  drawLoop() {
    const start = this.record.repeats_from, round = this.history.length - start, n = this.step;
    const radius = 60, cx = 190, cy = 75, dots = Math.min(round, 60);
    const children = [s("path", { class: "way", d: `M20 ${cy}H${cx - radius}` }), s("circle", { class: "way", cx, cy, r: radius })];
    const stem = Math.min(start, 12);
    for (let i = 0; i < stem; i++) {
      const step = Math.floor(i * start / stem);
      const now = n <= start && Math.floor(n * stem / Math.max(1, start)) === i;
      children.push(s("circle", { class: "dot" + (now ? " now" : step < n ? " past" : ""), cx: 20 + i * (cx - radius - 30) / Math.max(1, stem), cy, r: now ? 6 : 3.5 }));
    }
    for (let i = 0; i < dots; i++) {
      const at = n - start, now = n > start && Math.floor((at % round) * dots / round) === i || n === start && i === 0;
      const angle = Math.PI + 2 * Math.PI * i / dots;
      children.push(s("circle", { class: "dot" + (now ? " now" : i * round / dots < at ? " past" : ""), cx: cx + radius * Math.cos(angle), cy: cy + radius * Math.sin(angle), r: now ? 6 : 3.5 }));
    }
    children.push(s("text", { x: cx, y: cy }, steps(round)), s("text", { x: cx, y: cy + 14 }, "a round"));
    const label = `${steps(start)}, then ${steps(round)} for ever`;
    this.side.loop.replaceChildren(s("svg", { viewBox: "0 0 270 150", role: "img", "aria-label": label, "data-period": round }, children), h("p", {}, label + "."));
  }
}

function waitsPicture(names, edges, cycle) {
  const half = Math.max(...names.map(n => n.length)) * 3.4 + 8;
  const radius = Math.max(60, names.length * (half * 2 + 30) / (2 * Math.PI));
  const cx = radius + half + 12, cy = radius + 30;
  const place = i => {
    const angle = 2 * Math.PI * i / names.length - Math.PI / 2;
    return names.length === 1 ? [cx, cy] : [cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)];
  };
  const marker = (id, cls) => s("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" },
    s("path", { class: cls, d: "M0 0 8 4 0 8z" }));
  const children = [s("defs", {}, marker("tip", "head"), marker("cycletip", "cyclehead"))];
  for (const [from, to] of edges) {
    const at = cycle.indexOf(from), marked = at >= 0 && cycle[(at + 1) % cycle.length] === to;
    const [[ax, ay], [bx, by]] = [place(names.indexOf(from)), place(names.indexOf(to))];
    const [dx, dy] = [bx - ax, by - ay];
    const inside = Math.min(half / Math.max(0.1, Math.abs(dx)), 15 / Math.max(0.1, Math.abs(dy)), 0.45);
    const [px, py, qx, qy] = [ax + dx * inside, ay + dy * inside, bx - dx * inside, by - dy * inside];
    const d = from === to ? `M${ax + half} ${ay - 6}c30 -20 30 30 0 12`
      : `M${px} ${py}Q${(px + qx) / 2 - dy * 0.12} ${(py + qy) / 2 + dx * 0.12} ${qx} ${qy}`;
    children.push(s("path", { class: "edge" + (marked ? " cycle" : ""), d, "marker-end": marked ? "url(#cycletip)" : "url(#tip)" }));
  }
  names.forEach((name, i) => {
    const [x, y] = place(i);
    children.push(s("rect", { class: cycle.includes(name) ? "box cyclebox" : "box", x: x - half, y: y - 13, width: 2 * half, height: 26, rx: 5 }),
      s("text", { x, y: y + 4 }, name));
  });
  const label = cycle.length ? "A cycle of waits: " + cycle.join(", ") : "Waits: " + edges.map(([a, b]) => `${a} for ${b}`).join(", ");
  return s("svg", { viewBox: `0 0 ${2 * cx} ${2 * cy}`, width: 2 * cx, role: "img", "aria-label": label }, children);
}

// ---- a matrix ----------------------------------------------------------------------

function table() {
  const { title, designs, scenarios, cells } = data.report;
  document.title = title;
  const cell = (design, scenario) => {
    const c = cells.find(c => c.design === design && c.scenario === scenario);
    if (!c) return h("td", {});
    const violated = c.verdicts.filter(v => v.verdict === "violated");
    const unknown = c.verdicts.filter(v => v.verdict === "unknown");
    return h("td", {},
      violated.map(v => v.record === undefined
        ? h("span", { class: v.demanded ? "bad" : "dim" }, `${v.property} ${v.text}`)
        : h("a", { href: `#record=${v.record}`, class: v.demanded ? "bad" : "dim", title: v.text }, `${v.property}: ${v.text}`)),
      unknown.map(v => h("span", { title: v.text }, `${v.property}: unknown`)),
      !violated.length && !unknown.length ? h("span", { class: "good", title: `${c.states} states` }, "all holds") : "",
      c.exhaustive ? "" : h("span", { class: "dim" }, "not every state was looked at"));
  };
  const asked = [...new Set(cells.flatMap(c => c.verdicts.map(v => v.property)))];
  app.replaceChildren(
    h("header", {}, h("h1", {}, title),
      h("p", {}, "Asked: " + asked.join(", ") + "."),
      h("p", { class: "dim" }, "Every violation leads to its history. Where it says that all holds, all that was asked holds in every state that can be reached within the bounds of the scenario.")),
    h("div", { class: "grid", id: "matrix" }, h("div", { class: "tablebox" },
      h("table", { class: "report" },
        h("thead", { class: "report-head" }, h("tr", {}, h("th", { scope: "col" }, "design"), scenarios.map(s => h("th", { scope: "col" }, s)))),
        h("tbody", {}, designs.map(d => h("tr", {}, h("th", { scope: "row" }, d), scenarios.map(s => cell(d, s)))))))));
}

// ---- looking around in a cell ---------------------------------------------------------

const explorer = { path: [], choices: [], starts: 1 };

async function ask(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function walk(path, step) {
  try {
    const got = await ask("/.glock/walk/" + path.join("/"));
    Object.assign(explorer, { path, choices: got.choices, starts: got.starts });
    view?.stop();
    view = new View(got.record, false);
    view.go(step ?? view.history.length);
    choices();
  } catch (error) {
    app.prepend(h("p", { class: "bad", role: "alert" }, "The explorer does not answer: " + error.message));
  }
}

function choices() {
  const [start, ...taken] = explorer.path;
  const shorten = h("button", { type: "button", disabled: !taken.length, onclick: () => walk(explorer.path.slice(0, -1)) }, "take the last step back");
  const cut = h("button", { type: "button", disabled: !taken.length, onclick: () => walk([start, ...taken.slice(0, view.step)]) }, "go on from the step shown");
  const starts = explorer.starts > 1 && h("select", { "aria-label": "Initial state", onchange: e => walk([Number(e.target.value)]) },
    Array.from({ length: explorer.starts }, (_, i) => h("option", { value: i, selected: i === start }, `initial state ${i + 1}`)));
  const found = h("button", { type: "button", onclick: async () => {
    try {
      const got = await ask("/.glock/found");
      list.replaceChildren(...got.found.map(f => h("button", { type: "button", onclick: () => walk(f.path) }, `${f.property}: ${f.text}`)),
        got.found.length ? "" : h("p", {}, got.text));
    } catch (error) { list.replaceChildren(h("p", { class: "bad" }, error.message)); }
  } }, "jump to a counterexample");
  const list = h("div", { class: "choices" });
  view.side.choices.replaceChildren(h("div", { class: "choices" },
    starts || "",
    explorer.choices.map(c => h("button", { type: "button", class: "choice", onclick: () => walk([...explorer.path, c.index]) }, `${c.actor}: ${c.text}`)),
    explorer.choices.length ? "" : h("p", {}, "Nobody can move."),
    h("p", {}, shorten, " ", cut, " ", found), list));
}

// ---- addresses and keys ------------------------------------------------------------

let current = 0;

function hashOf(step) {
  return (data.report ? `#record=${current}&step=` : "#step=") + step;
}

function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const step = Number(wanted.get("step") || 0);
  if (data.live) {
    if (view && wanted.has("step")) view.go(step, true);
    return;
  }
  if (data.report && !data.records[Number(wanted.get("record") ?? -1)]) {
    view?.stop();
    view = null;
    table();
    return;
  }
  const number = data.report ? Number(wanted.get("record")) : 0;
  if (!view || number !== current) {
    view?.stop();
    current = number;
    view = new View(data.records[number], Boolean(data.report));
  }
  view.go(step, true);
}

addEventListener("hashchange", follow);
addEventListener("keydown", event => {
  if (!view || event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = event.target.matches?.("input, select, textarea");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const onButton = event.target.matches?.("button, a, summary");
  const act = {
    ArrowRight: () => view.next(), ArrowLeft: () => view.go(view.step - 1),
    Home: () => view.go(0), End: () => view.go(view.history.length),
    PageDown: () => view.go(view.step + 10), PageUp: () => view.go(view.step - 10),
    "/": () => view.search.focus(),
    " ": onButton ? null : () => view.toggle(),
  }[event.key];
  if (act) { event.preventDefault(); act(); }
});
addEventListener("beforeprint", () => {
  if (view && view.history.length <= 2000) { view.fill(0, view.history.length); view.from = -1; }
});

if (data.live) walk([0]);
else follow();
