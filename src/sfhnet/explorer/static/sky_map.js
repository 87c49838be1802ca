// One of the two maps: a value of each bin on the sky. View, chosen bin and region are shared by both.
const view = { x: 0, y: 0, zoom: 1 };
const QUALITY_COLOURS = "viridis";

class SkyMap {
  constructor(number, quantity, colours, shared) {
    Object.assign(this, { number, quantity, colours, shared, range: null, drag: null, place: null });
    this.box = document.createElement("div");
    this.box.className = "map";
    this.box.innerHTML = `
      <div class="choose">
        <label class="unseen" for="quantity${number}">Quantity of map ${number + 1}</label><select id="quantity${number}"></select>
        <label class="unseen" for="colours${number}">Colours of map ${number + 1}</label><select id="colours${number}"></select>
      </div>
      <canvas tabindex="0" role="application" id="map${number}"></canvas>
      <div class="scale">
        <span class="low"></span><canvas class="bar" width="256" height="1"></canvas><span class="high"></span>
        <input type="range" class="from" min="0" max="1000" aria-label="Lower end of the colours of map ${number + 1}">
        <input type="range" class="to" min="0" max="1000" aria-label="Upper end of the colours of map ${number + 1}">
      </div>
      <div class="value"></div>`;
    this.canvas = this.box.querySelector("canvas[tabindex]");
    this.fillChoices();
    this.listen();
    this.choose(quantity);
  }

  fillChoices() {
    const select = this.box.querySelector(`#quantity${this.number}`);
    const groups = new Map();
    META.quantities.forEach((quantity) => {
      if (!groups.has(quantity.group)) {
        const group = document.createElement("optgroup");
        group.label = quantity.group;
        groups.set(quantity.group, group);
        select.append(group);
      }
      groups.get(quantity.group).append(new Option(quantity.unit ? `${quantity.title} [${quantity.unit}]` : quantity.title, quantity.name));
    });
    const flags = document.createElement("optgroup");
    flags.label = "Flags";
    for (const flag of META.flags) {
      if (this.shared.flags.some((value) => value & flag.bit)) flags.append(new Option(`flag ${flag.name}`, `flag:${flag.bit}`));
    }
    if (flags.children.length) select.append(flags);
    const colours = this.box.querySelector(`#colours${this.number}`);
    Object.keys(META.colour_maps).forEach((name) => colours.append(new Option(name, name)));
    colours.value = this.colours;
  }

  // The values of the quantity, one a bin.
  valuesOf(name) {
    if (name.startsWith("flag:")) {
      const bit = Number(name.slice(5));
      return Float32Array.from(this.shared.flags, (value) => (value & bit ? 1 : 0));
    }
    const index = META.quantities.findIndex((quantity) => quantity.name === name);
    return this.shared.columns.subarray(index * META.n, (index + 1) * META.n);
  }

  get described() {
    if (this.quantity.startsWith("flag:")) {
      const flag = META.flags.find((one) => one.bit === Number(this.quantity.slice(5)));
      return { title: `flag ${flag.name}`, unit: "", meaning: flag.meaning };
    }
    return META.quantities.find((quantity) => quantity.name === this.quantity);
  }

  choose(name, range = null) {
    const select = this.box.querySelector(`#quantity${this.number}`);
    select.value = name;
    if (select.value !== name) return false;
    this.quantity = name;
    this.values = this.valuesOf(name);
    const sorted = Float64Array.from(this.values).filter(Number.isFinite).sort();
    const at = (share) => (sorted.length ? sorted[Math.round(share * (sorted.length - 1))] : 0);
    this.whole = [at(0), at(1)];
    if (this.whole[0] === this.whole[1]) this.whole[1] = this.whole[0] + 1;
    this.range = range || [at(0.01), at(0.99)];
    if (this.range[0] === this.range[1]) this.range = [...this.whole];
    this.setSliders();
    this.paint();
    return true;
  }

  setSliders() {
    const [low, high] = this.whole;
    ["from", "to"].forEach((name, end) => {
      this.box.querySelector(`.${name}`).value = 1000 * (this.range[end] - low) / (high - low);
    });
  }

  // The picture in pixels of the cube; drawn scaled.
  paint() {
    const [ny, nx] = META.shape;
    this.picture ||= Object.assign(document.createElement("canvas"), { width: nx, height: ny });
    const context = this.picture.getContext("2d");
    const image = context.createImageData(nx, ny);
    const [low, high] = this.range;
    const colour = Array.from({ length: META.n }, (_, bin) => {
      const value = this.values[bin];
      return Number.isFinite(value) ? colourOf(this.colours, (value - low) / (high - low || 1)) : null;
    });
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++) {
        const bin = this.shared.bins[y * nx + x];
        const place = 4 * ((ny - 1 - y) * nx + x);
        if (bin < 0 || !colour[bin]) continue;
        image.data.set([...colour[bin], 255], place);
      }
    }
    context.putImageData(image, 0, 0);
    const bar = this.box.querySelector(".bar").getContext("2d");
    for (let i = 0; i < 256; i++) {
      bar.fillStyle = `rgb(${colourOf(this.colours, i / 255)})`;
      bar.fillRect(i, 0, 1, 1);
    }
    this.box.querySelector(".low").textContent = shown(low);
    this.box.querySelector(".high").textContent = shown(high);
    this.draw();
  }

  // Screen pixels per pixel of the cube, and where its corner lies.
  get frame() {
    const [ny, nx] = META.shape;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = Math.min(width / nx, height / ny) * view.zoom;
    return { scale, left: width / 2 - (nx / 2 + view.x) * scale, top: height / 2 - (ny / 2 + view.y) * scale, width, height };
  }

  draw() {
    const { scale, left, top, width, height } = this.frame;
    if (!width) return;
    const [ny, nx] = META.shape;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.picture, left, top, nx * scale, ny * scale);
    this.drawChosen(context);
    this.drawSky(context);
    const { bin } = this.shared.state;
    const about = this.described;
    // The unit stands in the meaning: that of a logarithm is not that of its title.
    const here = bin === null ? "" : ` Bin ${bin}: ${shown(this.values[bin])}.`;
    this.box.querySelector(".value").textContent = `${about.meaning}.${here}`;
    this.canvas.setAttribute("aria-label", `Map of ${about.title}, ${shown(this.range[0])} to ${shown(this.range[1])} ${about.unit}.${here}`);
  }

  drawChosen(context) {
    const { scale, left, top } = this.frame;
    const [ny, nx] = META.shape;
    const { bin, region } = this.shared.state;
    const edge = (inside) => {
      context.beginPath();
      for (let y = 0; y < ny; y++) {
        for (let x = 0; x < nx; x++) {
          if (!inside(x, y)) continue;
          const px = left + x * scale;
          const py = top + (ny - 1 - y) * scale;
          if (!inside(x - 1, y)) { context.moveTo(px, py); context.lineTo(px, py + scale); }
          if (!inside(x + 1, y)) { context.moveTo(px + scale, py); context.lineTo(px + scale, py + scale); }
          if (!inside(x, y + 1)) { context.moveTo(px, py); context.lineTo(px + scale, py); }
          if (!inside(x, y - 1)) { context.moveTo(px, py + scale); context.lineTo(px + scale, py + scale); }
        }
      }
      for (const [colour, wide] of [["#fff", 4], ["#d55e00", 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = wide;
        context.stroke();
      }
    };
    const at = (x, y) => (x < 0 || y < 0 || x >= nx || y >= ny ? -1 : this.shared.bins[y * nx + x]);
    if (region) {
      const members = new Set(region);
      edge((x, y) => members.has(at(x, y)));
    } else if (bin !== null) edge((x, y) => at(x, y) === bin);
    const box = this.drag && this.drag.region ? this.drag : null;
    if (box) {
      context.strokeStyle = ink("mark");
      context.lineWidth = 1.5;
      context.strokeRect(box.x, box.y, box.nowX - box.x, box.nowY - box.y);
    }
    if (this.place && document.activeElement === this.canvas) {
      context.strokeStyle = ink("ink");
      context.lineWidth = 1;
      context.strokeRect(left + this.place[0] * scale, top + (ny - 1 - this.place[1]) * scale, scale, scale);
    }
  }

  drawSky(context) {
    if (!META.sky) return;
    const { scale, height, width } = this.frame;
    const arcsec = scale / META.sky.pixel_arcsec;
    const kpc = arcsec / META.sky.kpc_per_arcsec;
    let length = 1e-4;
    for (const digit of [1, 2, 5]) for (let e = -4; e < 4; e++) {
      const value = digit * 10 ** e;
      if (value * kpc <= 0.3 * width && value > length) length = value;
    }
    const label = (text, x, y) => {
      context.font = "12px sans-serif";
      context.lineWidth = 3;
      context.strokeStyle = ink("paper");
      context.strokeText(text, x, y);
      context.fillStyle = ink("ink");
      context.fillText(text, x, y);
    };
    context.fillStyle = ink("ink");
    context.fillRect(10, height - 12, length * kpc, 3);
    label(`${length < 1 ? `${Math.round(length * 1000)} pc` : `${length} kpc`} = ${shown(length / META.sky.kpc_per_arcsec)}″`, 10, height - 17);
    const [cx, cy] = [width - 35, 40];
    for (const [name, letter] of [["north", "N"], ["east", "E"]]) {
      const [dx, dy] = META.sky[name];
      context.strokeStyle = ink("ink");
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(cx, cy);
      context.lineTo(cx + 18 * dx, cy - 18 * dy);
      context.stroke();
      label(letter, cx + 26 * dx - 4, cy - 26 * dy + 4);
    }
  }

  // Pixel of the cube under a point of the canvas.
  under(x, y) {
    const { scale, left, top } = this.frame;
    return [Math.floor((x - left) / scale), META.shape[0] - 1 - Math.floor((y - top) / scale)];
  }

  binAt([x, y]) {
    const [ny, nx] = META.shape;
    return x < 0 || y < 0 || x >= nx || y >= ny ? -1 : this.shared.bins[y * nx + x];
  }

  listen() {
    const { canvas, shared } = this;
    this.box.querySelector(`#quantity${this.number}`).addEventListener("change", (event) => { this.choose(event.target.value); shared.remember(); });
    this.box.querySelector(`#colours${this.number}`).addEventListener("change", (event) => { this.colours = event.target.value; this.paint(); shared.remember(); });
    ["from", "to"].forEach((name, end) => this.box.querySelector(`.${name}`).addEventListener("input", (event) => {
      const [low, high] = this.whole;
      this.range[end] = low + (high - low) * event.target.value / 1000;
      this.paint();
      shared.remember();
    }));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      const { offsetX: x, offsetY: y } = event;
      this.drag = { x, y, nowX: x, nowY: y, viewX: view.x, viewY: view.y, region: shared.state.tool === "region" };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.drag) return;
      this.drag.nowX = event.offsetX;
      this.drag.nowY = event.offsetY;
      if (!this.drag.region) {
        view.x = this.drag.viewX - (event.offsetX - this.drag.x) / this.frame.scale;
        view.y = this.drag.viewY - (event.offsetY - this.drag.y) / this.frame.scale;
      }
      shared.drawMaps();
    });
    canvas.addEventListener("pointerup", (event) => {
      const drag = this.drag;
      this.drag = null;
      if (!drag) return;
      const moved = Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 4;
      if (!moved) {
        const bin = this.binAt(this.under(event.offsetX, event.offsetY));
        if (bin >= 0) shared.openBin(bin, event.timeStamp);
      } else if (drag.region) shared.openRegion(this.binsBetween(this.under(drag.x, drag.y), this.under(event.offsetX, event.offsetY)));
      shared.drawMaps();
      shared.remember();
    });
    canvas.addEventListener("pointercancel", () => { this.drag = null; shared.drawMaps(); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      shared.zoom(event.deltaY < 0 ? 1.25 : 0.8);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => this.draw());
  }

  binsBetween(a, b) {
    const found = new Set();
    for (let y = Math.min(a[1], b[1]); y <= Math.max(a[1], b[1]); y++) {
      for (let x = Math.min(a[0], b[0]); x <= Math.max(a[0], b[0]); x++) {
        const bin = this.binAt([x, y]);
        if (bin >= 0) found.add(bin);
      }
    }
    return [...found].sort((first, second) => first - second);
  }

  key(event) {
    const [ny, nx] = META.shape;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (step) {
      this.place ||= [nx >> 1, ny >> 1];
      this.place = [Math.min(nx - 1, Math.max(0, this.place[0] + step[0])), Math.min(ny - 1, Math.max(0, this.place[1] + step[1]))];
      const bin = this.binAt(this.place);
      this.shared.say(bin < 0 ? "outside of the bins" : `bin ${bin}: ${shown(this.values[bin])}`);
      this.draw();
    } else if (event.key === "Enter" && this.place && this.shared.state.tool === "region") {
      if (!this.corner) {
        this.corner = this.place;
        this.shared.say("first corner of the region; Enter at the other one");
      } else {
        this.shared.openRegion(this.binsBetween(this.corner, this.place));
        this.corner = null;
      }
    } else if (event.key === "Enter" && this.place) {
      const bin = this.binAt(this.place);
      if (bin >= 0) this.shared.openBin(bin, event.timeStamp);
    } else if (event.key === "+" || event.key === "=") this.shared.zoom(1.25);
    else if (event.key === "-") this.shared.zoom(0.8);
    else if (event.key === "0") this.shared.zoom(0);
    else return;
    event.preventDefault();
  }
}
