// From the text in the page to numbers.
const element = (id) => document.getElementById(id);
const META = JSON.parse(element("meta").textContent);
const TYPES = { f4: Float32Array, i4: Int32Array, u4: Uint32Array, i2: Int16Array, u2: Uint16Array, u1: Uint8Array };

async function bytesOf(text) {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

const arrayOf = async (id, kind) => new TYPES[kind](await bytesOf(element(id).textContent));

const opened = new Map();

// Return all that is stored of one bin: name -> typed array.
async function binContents(bin) {
  const number = Math.floor(bin / META.block);
  if (!opened.has(number)) {
    if (opened.size > 24) opened.delete(opened.keys().next().value);
    opened.set(number, bytesOf(element(`block${number}`).textContent));
  }
  const buffer = await opened.get(number);
  const n = Math.min(META.block, META.n - number * META.block);
  const row = bin - number * META.block;
  const contents = {};
  let start = 0;
  for (const [name, kind, length, differences] of META.layout) {
    const Kind = TYPES[kind];
    const values = new Kind(buffer, start + row * length * Kind.BYTES_PER_ELEMENT, length).slice();
    if (differences) for (let i = 1; i < length; i++) values[i] += values[i - 1];
    contents[name] = values;
    start += n * length * Kind.BYTES_PER_ELEMENT;
  }
  return contents;
}

// The spectrum of a bin in units of flux: wavelengths, data (NaN where masked), error, model, ends of the draws.
function spectrumOf(contents) {
  const [first, step, n] = META.wave;
  const scale = contents.scale[0];
  const [low, high] = contents.sigma_range;
  const result = { wave: new Float64Array(n), data: new Float64Array(n), sigma: new Float64Array(n), good: new Uint8Array(n) };
  for (let i = 0; i < n; i++) {
    result.wave[i] = first + i * step;
    result.good[i] = (contents.good[i >> 3] >> (i & 7)) & 1;
    result.data[i] = result.good[i] ? contents.data[i] * scale : NaN;
    result.sigma[i] = Math.exp(low + (high - low) * contents.sigma[i] / 255);
  }
  for (const name of ["model", "low", "high"]) {
    if (contents[name]) result[name] = Float64Array.from(contents[name], (value) => value * scale);
  }
  return result;
}

// Rows of a matrix stored flat.
const rowOf = (values, row, length) => values.slice(row * length, (row + 1) * length);
