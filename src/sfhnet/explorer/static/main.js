// State, links, and the start.
const state = { bin: null, region: null, tool: "pan" };
let maps = [];

const shared = {
  state,
  drawMaps: () => maps.forEach((map) => map.draw()),
  say: (words) => { element("said").textContent = words; },
  zoom(factor) {
    if (factor === 0) Object.assign(view, { x: 0, y: 0, zoom: 1 });
    else view.zoom = Math.min(64, Math.max(0.5, view.zoom * factor));
    shared.drawMaps();
    shared.remember();
  },
  // `since` is when the reader asked, so that the page knows how long its answer took.
  async openBin(bin, since = performance.now()) {
    Object.assign(state, { bin, region: null });
    shared.drawMaps();
    shared.remember();
    await showBin(shared, bin);
    painted(since);
  },
  openRegion(bins) {
    if (!bins.length) return null;
    Object.assign(state, { bin: null, region: bins });
    shared.drawMaps();
    shared.remember();
    return showRegion(shared, bins);
  },
  // The address of the page holds what is seen, so that a link brings another reader here.
  remember() {
    const words = new URLSearchParams();
    if (state.bin !== null) words.set("bin", state.bin);
    if (state.region) words.set("region", ranges(state.region));
    if (view.zoom !== 1 || view.x || view.y) words.set("view", [view.x, view.y, view.zoom].map((value) => Number(value.toFixed(3))).join(","));
    maps.forEach((map, i) => words.set(`map${i}`, [map.quantity, map.colours, ...map.range.map((value) => Number(value.toPrecision(6)))].join(",")));
    history.replaceState(null, "", `#${words}`);
  },
};

// A task after the next frame: what was drawn is then on the screen.
function painted(since) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => performance.measure("answer", { start: since, end: performance.now() });
    channel.port2.postMessage(null);
  });
}

// First and last of each row of neighbouring numbers.
function spans(bins) {
  const parts = [];
  for (const bin of bins) {
    const last = parts[parts.length - 1];
    if (last && last[1] === bin - 1) last[1] = bin; else parts.push([bin, bin]);
  }
  return parts;
}

const ranges = (bins) => spans(bins).map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`)).join(".");

function unranged(text) {
  const bins = [];
  for (const part of text.split(".")) {
    const [low, high] = part.split("-").map(Number);
    for (let bin = low; bin <= (high ?? low) && bin < META.n; bin++) if (bin >= 0) bins.push(bin);
  }
  return bins;
}

function restore() {
  const words = new URLSearchParams(location.hash.slice(1));
  maps.forEach((map, i) => {
    const [name, colours, low, high] = (words.get(`map${i}`) || "").split(",");
    if (colours in colourMaps) { map.colours = colours; map.box.querySelector(`#colours${i}`).value = colours; }
    const range = [Number(low), Number(high)];
    if (name) map.choose(name, range.every(Number.isFinite) && low !== undefined ? range : null) || map.choose(map.quantity);
  });
  const [x, y, zoom] = (words.get("view") || "").split(",").map(Number);
  if (zoom > 0) Object.assign(view, { x: x || 0, y: y || 0, zoom });
  shared.drawMaps();
  const bin = Number(words.get("bin"));
  if (words.get("region")) return shared.openRegion(unranged(words.get("region")));
  if (words.has("bin") && Number.isInteger(bin) && bin >= 0 && bin < META.n) return shared.openBin(bin);
  return META.n === 1 || !META.sky ? shared.openBin(0) : null;
}

// What is seen, once more: in other colours, or at another width.
function redraw() {
  shared.drawMaps();
  if (state.region) showRegion(shared, state.region);
  else if (state.bin !== null) showBin(shared, state.bin);
}

function tools() {
  const buttons = { pan: element("tool-pan"), region: element("tool-region") };
  for (const [name, button] of Object.entries(buttons)) {
    button.addEventListener("click", () => {
      state.tool = name;
      for (const [other, one] of Object.entries(buttons)) one.setAttribute("aria-pressed", String(other === name));
    });
  }
  element("zoom-in").addEventListener("click", () => shared.zoom(1.25));
  element("zoom-out").addEventListener("click", () => shared.zoom(0.8));
  element("zoom-all").addEventListener("click", () => shared.zoom(0));
  element("copy-link").addEventListener("click", async () => {
    shared.remember();
    try { await navigator.clipboard.writeText(location.href); shared.say("Link copied"); } catch { window.prompt("The link of this view", location.href); }
  });
}

async function start() {
  const [bins, columns, flags] = await Promise.all([arrayOf("bin_map", "i4"), arrayOf("columns", "f4"), arrayOf("flags", "u4"), loadColours()]);
  Object.assign(shared, { bins, columns, flags });
  const where = META.sky ? `, centre ${META.sky.ra_deg.toFixed(5)} ${META.sky.dec_deg.toFixed(5)}` : "";
  element("about").textContent = `${META.n} bins${where}, distance ${shown(META.distance_mpc)} Mpc, network ${META.model || "unknown"}`;
  element("foot").textContent = ["made_utc", "git_commit", "code_sha256"].filter((name) => META.provenance[name]).map((name) => `${name} ${META.provenance[name]}`).join(" · ");
  panel.append(made("p", "Click a bin of a map, or drag a region, to see what is behind its numbers.", "hint"));
  const wanted = ["mw_log_age", "quality"].map((name) => (META.quantities.some((one) => one.name === name) ? name : META.quantities[0].name));
  maps = wanted.map((name, i) => new SkyMap(i, name, ["viridis", "cividis"][i], shared));
  maps.forEach((map) => element("maps").append(map.box));
  if (!META.sky && META.n === 1) element("sky").hidden = true;
  tools();
  await restore();
  shared.drawMaps();
  window.addEventListener("hashchange", restore);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // Telephones resize the window whenever they hide their bars; only another width changes the plots.
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    redraw();
  });
  // Paper is light, whatever the screen is.
  for (const [event, paper] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(event, () => { document.documentElement.toggleAttribute("data-paper", paper); redraw(); });
  }
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  document.documentElement.dataset.ready = "failed";
  panel.textContent = `This page cannot be shown: ${error}. It needs a browser of 2023 or later.`;
});
