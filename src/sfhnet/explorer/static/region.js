// The sum of some bins: masses add, and so do spectra.
async function showRegion(shared, bins) {
  const n = META.age_edges_myr.length - 1;
  const column = (name) => {
    const index = META.quantities.findIndex((quantity) => quantity.name === name);
    return index < 0 ? null : shared.columns.subarray(index * META.n, (index + 1) * META.n);
  };
  const logMass = column("log_mass_formed");
  const used = bins.filter((bin) => logMass && Number.isFinite(logMass[bin]));
  panel.textContent = "";
  panel.append(made("h2", `Region of ${bins.length} bins`));
  if (!used.length) { panel.append(made("p", "No bin of it has an answer.")); return; }
  const [first, step, nWave] = META.wave;
  const total = { wave: Float64Array.from({ length: nWave }, (_, i) => first + i * step), data: new Float64Array(nWave), sigma: new Float64Array(nWave), good: new Uint8Array(nWave) };
  if (META.checked) total.model = new Float64Array(nWave);
  const counted = new Float64Array(nWave);
  const share = new Float64Array(n);
  const truth = META.truth ? new Float64Array(n) : null;
  const metals = new Float64Array(n);
  let mass = 0;
  for (const bin of used) {
    const contents = await binContents(bin);
    if (shared.state.region !== bins) return;
    const weight = 10 ** logMass[bin];
    mass += weight;
    for (let i = 0; i < n; i++) {
      const part = weight * contents.mass_fraction[i] / 65535;
      share[i] += part;
      metals[i] += part * contents.mh[i] / 1000;
      if (truth) truth[i] += weight * contents.true_mass_fraction[i] / 65535;
    }
    const spectrum = spectrumOf(contents);
    for (let i = 0; i < nWave; i++) {
      if (!spectrum.good[i]) continue;
      counted[i]++;
      total.data[i] += spectrum.data[i];
      total.sigma[i] += spectrum.sigma[i] ** 2;
      if (total.model) total.model[i] += spectrum.model[i];
    }
  }
  for (let i = 0; i < nWave; i++) {
    total.sigma[i] = Math.sqrt(total.sigma[i]) || NaN;
    if (counted[i] < 0.5 * used.length) total.data[i] = NaN; else total.good[i] = 1;
  }
  panel.append(made("p", `Mass formed: ${shown(Math.log10(mass))} log10 Msun. ${used.length} bins have an answer.`));
  panel.append(made("h3", "Summed spectrum, and the sum of the bins' models"));
  new SpectrumPlot(panel, total, ranges(bins));
  const plots = made("div", undefined, "plots");
  panel.append(plots);
  const left = made("div");
  left.append(made("h3", "Mass formed, sum of the bins"));
  const right = made("div");
  right.append(made("h3", "Metallicity, weighted by mass"));
  plots.append(left, right);
  const history = new Plot(left, 230, "Share of the mass of the region formed against look-back time");
  history.axes({ ...AGE_AXIS, y: [-0.02, 1.02], yLabel: "share of mass formed" });
  history.line(AGES, formed(summed(share.map((value) => value / mass))), ink("blue"), 2);
  if (truth) history.line(AGES, formed(summed(truth.map((value) => value / mass))), ink("ink"), 1.5, [5, 3]);
  const xs = [];
  const ys = [];
  for (let i = 0; i < n; i++) { xs.push(AGES[i], AGES[i + 1]); const mh = share[i] > 0 ? metals[i] / share[i] : NaN; ys.push(mh, mh); }
  const metal = new Plot(right, 230, "Metallicity of the stars of each age in the region");
  metal.axes({ ...AGE_AXIS, y: limits(ys, 0, 0.1), yLabel: "[M/H] [dex]" });
  metal.line(xs, ys, ink("blue"), 2);
  const listed = spans(bins).map(([low, high]) => (low === high ? `${low}` : `*range(${low}, ${high + 1})`)).join(", ");
  panel.append(made("h3", "From the summed spectrum, in Python"), made("pre", [
    "import sfhnet",
    "from sfhnet.core.spectra import Spectra",
    "from sfhnet.products.summed_spectrum import summed_spectrum",
    `spectra = Spectra.read("results/galaxies/${META.galaxy}/spectra.h5")`,
    `region = summed_spectrum(spectra, [${listed}])`,
    `print(sfhnet.load("${META.model || "flow"}").infer_spectra(region).summary())  # or the folder of the network, results/model/NAME`,
  ].join("\n")));
  shared.say(`Region of ${bins.length} bins`);
}
