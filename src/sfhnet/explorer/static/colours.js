// Colours of the page and of the maps.
const colourMaps = {};

async function loadColours() {
  for (const [name, packed] of Object.entries(META.colour_maps)) colourMaps[name] = new Uint8Array(await bytesOf(packed));
}

// Colour of a share between 0 and 1 as [red, green, blue].
function colourOf(name, share) {
  const place = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
  const map = colourMaps[name];
  return [map[place], map[place + 1], map[place + 2]];
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A number for people: as many digits as matter.
function shown(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e5) return value.toString();
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}
