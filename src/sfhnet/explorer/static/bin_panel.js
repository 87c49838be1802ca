// What is known of one bin.
const panel = element("panel");
const AGES = META.age_edges_myr.map((edge, i, edges) => Math.max(edge, edges[1] / 3) / 1e3);
const AGE_AXIS = { x: [AGES[0], AGES[AGES.length - 1] * 1.1], logX: true, reverse: true, xLabel: "look-back time [Gyr]",
  xTicks: [[10, "10"], [1, "1"], [0.1, "0.1"], [0.01, "0.01"]] };

const made = (tag, text, name) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text }, name ? { className: name } : {});

function key(parent, entries) {
  const line = made("p", undefined, "key");
  // A third entry says that the line is dashed: colour alone tells no lines apart.
  for (const [colour, words, dashed] of entries) {
    const entry = made("span");
    const mark = made("i");
    mark.style.background = dashed ? `repeating-linear-gradient(90deg, ${colour} 0 ${dashed}px, transparent ${dashed}px ${dashed + 3}px)` : colour;
    entry.append(mark, words);
    line.append(entry);
  }
  parent.append(line);
}

// Share of the mass formed by each edge, oldest share first: one at the youngest edge.
const formed = (cumulative) => [1, ...Array.from(cumulative, (value) => 1 - value)];
const summed = (fractions) => { let total = 0; return Array.from(fractions, (value) => (total += value)); };

function limits(values, share = 0.003, pad = 0.15) {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (!sorted.length) return [0, 1];
  const low = sorted[Math.floor(share * (sorted.length - 1))];
  const high = sorted[Math.ceil((1 - share) * (sorted.length - 1))];
  const room = (high - low || Math.abs(high) || 1) * pad;
  return [low - room, high + room];
}

// The zoom of the spectrum that is seen, which stays when the page is drawn again.
const zoomed = { of: null, window: null };

class SpectrumPlot {
  constructor(parent, spectrum, of) {
    Object.assign(this, { spectrum, holder: made("div"), window: zoomed.of === of ? zoomed.window : null });
    zoomed.of = of;
    parent.append(this.holder);
    this.draw();
  }

  draw() {
    this.holder.textContent = "";
    zoomed.window = this.window;
    const { wave, data, sigma, model, low, high } = this.spectrum;
    const x = this.window || [wave[0], wave[wave.length - 1]];
    const seen = Array.from(data).filter((_, i) => wave[i] >= x[0] && wave[i] <= x[1] && !(wave[i] > 6480 && wave[i] < 6640 && !this.window));
    const top = new Plot(this.holder, 230, `Spectrum from ${x[0].toFixed(0)} to ${x[1].toFixed(0)} Angstrom, data and model`);
    top.axes({ x, y: limits(seen), yLabel: "flux", xTicks: [] });
    top.marks(META.lines.filter(({ aa }) => aa > x[0] && aa < x[1]));
    const upper = data.map((value, i) => value + sigma[i]);
    const lower = data.map((value, i) => value - sigma[i]);
    if (!model) top.band(wave, lower.map((v, i) => (Number.isFinite(v) ? v : data[i] || 0)), upper.map((v, i) => (Number.isFinite(v) ? v : data[i] || 0)), ink("quiet"), 0.2);
    if (low) {
      const coarse = Array.from(low, (_, i) => wave[Math.min(wave.length - 1, 8 * i)]);
      top.band(coarse, low, high, ink("blue"), 0.35);
    }
    top.line(wave, data, ink("ink"), 0.8);
    if (model) top.line(wave, model, ink("mark"), 1);
    this.zoomable(top);
    if (!model) return;
    const residual = data.map((value, i) => (value - model[i]) / sigma[i]);
    const bottom = new Plot(this.holder, 120, "Residuals, data minus model over the error");
    bottom.axes({ x, y: [-4.5, 4.5], xLabel: "rest wavelength, air [Å]", yLabel: "residual [σ]" });
    bottom.band([x[0], x[1]], [-1, -1], [1, 1], ink("quiet"), 0.2);
    bottom.line(wave, residual, ink("ink"), 0.6);
    this.zoomable(bottom);
  }

  zoomable(plot) {
    let start = null;
    const at = (event) => {
      const share = (event.offsetX - plot.box.left) / (plot.box.right - plot.box.left);
      return plot.x[0] + Math.min(1, Math.max(0, share)) * (plot.x[1] - plot.x[0]);
    };
    plot.canvas.addEventListener("pointerdown", (event) => { start = at(event); });
    plot.canvas.addEventListener("pointerup", (event) => {
      const end = at(event);
      if (start === null || Math.abs(end - start) < 10) return;
      this.window = [Math.min(start, end), Math.max(start, end)];
      this.draw();
    });
    plot.canvas.addEventListener("dblclick", () => { this.window = null; this.draw(); });
    plot.canvas.tabIndex = 0;
    plot.canvas.addEventListener("keydown", (event) => this.key(event, plot));
  }

  // Plus and minus zoom, arrows move, 0 shows all: as on a map.
  key(event, plot) {
    const { wave } = this.spectrum;
    const whole = [wave[0], wave[wave.length - 1]];
    const [low, high] = this.window || whole;
    const [middle, half] = [(low + high) / 2, (high - low) / 2];
    const turned = { "+": [0, 0.5], "=": [0, 0.5], "-": [0, 2], ArrowLeft: [-0.5, 1], ArrowRight: [0.5, 1], 0: [0, Infinity] }[event.key];
    if (!turned) return;
    event.preventDefault();
    const wide = Math.max(half * turned[1], 10);
    const from = Math.min(Math.max(middle + half * turned[0] - wide, whole[0]), whole[1] - 2 * wide);
    this.window = wide * 2 < whole[1] - whole[0] ? [from, from + 2 * wide] : null;
    const order = [...this.holder.children].indexOf(plot.canvas);
    this.draw();
    this.holder.children[order].focus({ preventScroll: true });
  }
}

// pPXF on the same bin, where the run has it and the fit did not fail.
const comparedWith = (bin) => META.compared.length > 0 && Number.isFinite(bin.ppxf[0]);

function drawHistory(parent, bin) {
  const n = META.age_edges_myr.length - 1;
  const plot = new Plot(parent, 230, "Share of the mass formed against look-back time, with 68 and 95 per cent bands");
  plot.axes({ ...AGE_AXIS, y: [-0.02, 1.02], yLabel: "share of mass formed" });
  const quantile = (level) => formed(rowOf(bin.cum_mass_q, META.levels.indexOf(level), n).map((v) => v)).map((v, i) => (i ? 1 - (1 - v) / 65535 : 1));
  plot.band(AGES, quantile(0.975), quantile(0.025), ink("blue"), 0.2);
  plot.band(AGES, quantile(0.84), quantile(0.16), ink("blue"), 0.35);
  const share = (values) => formed(summed(Array.from(values, (v) => v / 65535)));
  plot.line(AGES, share(bin.mass_fraction), ink("blue"), 2);
  if (bin.refined_mass_fraction) plot.line(AGES, share(bin.refined_mass_fraction), ink("mark"), 1.5);
  if (comparedWith(bin)) plot.line(AGES, share(bin.ppxf_mass_fraction), ink("green"), 2, [2, 3]);
  if (bin.true_mass_fraction) plot.line(AGES, share(bin.true_mass_fraction), ink("ink"), 1.5, [5, 3]);
}

function drawMetals(parent, bin) {
  const n = META.age_edges_myr.length - 1;
  const plot = new Plot(parent, 230, "Metallicity of the stars of each age, with 68 and 95 per cent bands");
  const dex = (values) => Array.from(values, (v) => v / 1000);
  const stairs = (values) => { const out = []; dex(values).forEach((v) => out.push(v, v)); return out; };
  const xs = [];
  for (let i = 0; i < n; i++) xs.push(AGES[i], AGES[i + 1]);
  const quantile = (level) => stairs(rowOf(bin.mh_q, META.levels.indexOf(level), n));
  const other = comparedWith(bin) ? bin.ppxf_mh : [];
  const all = [...quantile(0.025), ...quantile(0.975), ...dex(other), ...(bin.true_mh ? dex(bin.true_mh) : [])];
  plot.axes({ ...AGE_AXIS, y: limits(all, 0, 0.08), yLabel: "[M/H] [dex]" });
  plot.band(xs, quantile(0.025), quantile(0.975), ink("blue"), 0.2);
  plot.band(xs, quantile(0.16), quantile(0.84), ink("blue"), 0.35);
  plot.line(xs, stairs(bin.mh), ink("blue"), 2);
  if (bin.refined_mh) plot.line(xs, stairs(bin.refined_mh), ink("mark"), 1.5);
  if (other.length) plot.line(xs, stairs(other), ink("green"), 2, [2, 3]);
  if (bin.true_mh) plot.line(xs, stairs(bin.true_mh), ink("ink"), 1.5, [5, 3]);
}

function drawBands(parent, bin) {
  const names = META.bands.map((band) => band.name);
  if (!bin.band_flux || !Array.from(bin.band_flux).some(Number.isFinite)) { parent.append(made("p", "No bands were measured here.", "hint")); return; }
  const plot = new Plot(parent, 230, "Bands: model over measured flux");
  const ones = Array.from(bin.band_flux, (v) => (Number.isFinite(v) ? 1 : NaN));
  const errors = Array.from(bin.band_sigma, (v, i) => v / bin.band_flux[i]);
  const ratio = (values) => Array.from(values, (v, i) => v / bin.band_flux[i]);
  const xs = names.map((_, i) => i);
  const all = [...errors.map((e) => 1 - 1.3 * e), ...errors.map((e) => 1 + 1.3 * e), ...(bin.band_refined ? ratio(bin.band_refined) : [])];
  plot.axes({ x: [-0.5, names.length - 0.5], y: limits(all, 0, 0.1), yLabel: "model / measured", xTicks: names.map((name, i) => [i, name]) });
  if (bin.band_draws_p16) {
    const [low, high] = [ratio(bin.band_draws_p16), ratio(bin.band_draws_p84)];
    xs.forEach((x) => plot.band([x - 0.2, x + 0.2], [low[x], low[x]], [high[x], high[x]], ink("blue"), 0.35));
  }
  plot.points(xs, ones, errors, ink("ink"));
  if (bin.band_refined) plot.points(xs, ratio(bin.band_refined), null, ink("mark"), 4);
}

function drawCorner(parent, bin) {
  const m = META.corner.length;
  if (!m || !bin.draws) return;
  const nDraw = bin.draws.length / m;
  const canvas = made("canvas", undefined, "plot");
  canvas.style.height = "360px";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Draws of the posterior of ${META.corner.map((one) => one.title).join(", ")}, in pairs`);
  parent.append(canvas);
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.width = width * ratio;
  canvas.height = 360 * ratio;
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  const cell = [(width - 60) / m, (360 - 40) / m];
  const value = (k, i) => bin.draws[k * nDraw + i] / 255;
  c.font = "9px sans-serif";
  for (let row = 0; row < m; row++) {
    for (let column = 0; column <= row; column++) {
      const [x0, y0] = [50 + column * cell[0], 4 + row * cell[1]];
      c.strokeStyle = ink("line");
      c.strokeRect(x0, y0, cell[0], cell[1]);
      c.fillStyle = ink("blue");
      if (row === column) {
        const counts = new Array(12).fill(0);
        for (let i = 0; i < nDraw; i++) counts[Math.min(11, Math.floor(12 * value(row, i)))]++;
        const most = Math.max(...counts);
        counts.forEach((count, k) => c.fillRect(x0 + k * cell[0] / 12, y0 + cell[1] * (1 - 0.9 * count / most), cell[0] / 12 - 0.5, cell[1] * 0.9 * count / most));
      } else {
        c.globalAlpha = 0.6;
        for (let i = 0; i < nDraw; i++) c.fillRect(x0 + value(column, i) * cell[0] - 1, y0 + (1 - value(row, i)) * cell[1] - 1, 2, 2);
        c.globalAlpha = 1;
      }
    }
    c.fillStyle = ink("quiet");
    const [low, high] = [bin.draw_range[2 * row], bin.draw_range[2 * row + 1]];
    c.textAlign = "center";
    c.fillText(META.corner[row].title, 50 + (row + 0.5) * cell[0], 352, cell[0] - 3);
    c.fillText(`${low.toFixed(2)}…${high.toFixed(2)}`, 50 + (row + 0.5) * cell[0], 338, cell[0] - 3);
    c.textAlign = "right";
    c.save();
    c.translate(12, 4 + (row + 0.5) * cell[1]);
    c.rotate(-Math.PI / 2);
    c.textAlign = "center";
    c.fillText(META.corner[row].title, 0, 0, cell[1] - 3);
    c.restore();
  }
}

// The answers, and folded away what was checked.
function numbers(shared, bin, contents) {
  const holder = made("div");
  for (const group of new Set(META.quantities.map((quantity) => quantity.group))) {
    const table = numbersTable(shared, bin, contents, group);
    if (!holder.children.length) { holder.append(table); continue; }
    const more = made("details");
    more.append(made("summary", group), table);
    holder.append(more);
  }
  return holder;
}

function numbersTable(shared, bin, contents, group) {
  const table = made("table");
  const head = table.createTHead().insertRow();
  const beside = comparedWith(contents);
  for (const word of ["quantity", "value", "68 %", ...(beside ? ["pPXF"] : []), "unit"]) head.append(made("th", word, word === "quantity" || word === "unit" ? "" : "number"));
  const body = table.createTBody();
  const at = (name) => {
    const index = META.quantities.findIndex((quantity) => quantity.name === name);
    return index < 0 ? NaN : shared.columns[index * META.n + bin];
  };
  for (const quantity of META.quantities) {
    if (quantity.end || quantity.group !== group) continue;
    const value = at(quantity.name);
    if (!Number.isFinite(value)) continue;
    const row = body.insertRow();
    const name = row.insertCell();
    name.textContent = quantity.title;
    name.title = quantity.meaning;
    const [low, high] = [at(`${quantity.name}_p16`), at(`${quantity.name}_p84`)];
    row.append(made("td", shown(value), "number"), made("td", Number.isFinite(low) ? `${shown(low)} … ${shown(high)}` : "", "number"));
    const place = META.compared.indexOf(quantity.name);
    if (beside) row.append(made("td", place < 0 ? "" : shown(contents.ppxf[place]), "number"));
    row.append(made("td", quantity.unit));
  }
  const holder = made("div", undefined, "scroll");
  holder.append(table);
  return holder;
}

function flagsList(flags, quality) {
  const holder = made("div");
  holder.append(made("p", `Verdict: ${META.quality[quality]}.`, `quality${quality}`));
  const list = made("ul", undefined, "flags");
  for (const flag of META.flags) {
    if (!(flags & flag.bit)) continue;
    const item = made("li");
    item.append(made("strong", flag.name.toLowerCase().replaceAll("_", " ")), ` – ${flag.meaning}. ${flag.advice}`);
    list.append(item);
  }
  if (list.children.length) holder.append(list);
  return holder;
}

function python(bin) {
  return ["from sfhnet.core.posterior import Posterior",
    `answer = Posterior.read("results/galaxies/${META.galaxy}/posterior.h5")`,
    'low, high = answer.interval("mw_log_age", 0.68)',
    `print(answer.scalars["mw_log_age"][${bin}], low[${bin}], high[${bin}])`].join("\n");
}

async function showBin(shared, bin) {
  const contents = await binContents(bin);
  if (shared.state.bin !== bin || shared.state.region) return;
  const stepped = document.activeElement?.dataset.step;
  panel.textContent = "";
  panel.append(made("h2", `Bin ${bin}`));
  const steps = made("div", undefined, "tools");
  for (const [words, step] of [["← previous bin", -1], ["next bin →", 1]]) {
    const button = made("button", words);
    button.type = "button";
    button.disabled = bin + step < 0 || bin + step >= META.n;
    button.dataset.step = step;
    button.addEventListener("click", (event) => shared.openBin(bin + step, event.timeStamp));
    steps.append(button);
  }
  panel.append(steps);
  // The button that was pressed is a new one now: keys go on from it.
  if (stepped) steps.querySelector(`[data-step="${stepped}"]`).focus({ preventScroll: true });
  const index = META.quantities.findIndex((quantity) => quantity.name === "quality");
  panel.append(flagsList(shared.flags[bin], index < 0 ? 0 : shared.columns[index * META.n + bin]));
  panel.append(made("h3", `Spectrum (flux in ${META.flux_unit_cgs} erg/s/cm²/Å${META.averaged > 1 ? `; ${META.averaged} pixels averaged` : ""})`));
  const entries = [[ink("ink"), "data"]];
  if (META.checked) entries.push([ink("mark"), "best model near the draws"], [ink("blue"), "68 % of the draws"]);
  if (comparedWith(contents)) entries.push([ink("green"), "in the histories: pPXF", 2]);
  if (META.truth) entries.push([ink("ink"), "in the histories: true", 5]);
  key(panel, entries);
  if (META.unchecked) panel.append(made("p", `No model: ${META.unchecked}.`, "hint"));
  new SpectrumPlot(panel, spectrumOf(contents), `${bin}`);
  panel.append(made("p", "Drag over the spectrum to zoom, double-click to see all. Keys: + and − zoom, arrows move, 0 shows all.", "hint"));
  const plots = made("div", undefined, "plots");
  panel.append(plots);
  const cells = ["Mass formed", "Metallicity", "Bands", "Draws"].map((title) => {
    const cell = made("div");
    cell.append(made("h3", title));
    plots.append(cell);
    return cell;
  });
  drawHistory(cells[0], contents);
  drawMetals(cells[1], contents);
  drawBands(cells[2], contents);
  drawCorner(cells[3], contents);
  panel.append(made("h3", "Numbers"), numbers(shared, bin, contents), made("h3", "The same in Python"), made("pre", python(bin)));
  shared.say(`Bin ${bin}, verdict: ${META.quality[shared.columns[index * META.n + bin] || 0]}`);
}
