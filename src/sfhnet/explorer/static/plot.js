// Small plots on a canvas: axes, lines, bands, points.
class Plot {
  constructor(parent, height, label) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "plot";
    this.canvas.style.height = `${height}px`;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    parent.append(this.canvas);
    const width = this.canvas.clientWidth || 600;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.context = this.canvas.getContext("2d");
    this.context.scale(ratio, ratio);
    this.box = { left: 62, right: width - 8, top: 8, bottom: height - 34 };
  }

  axes({ x, y, xLabel = "", yLabel = "", logX = false, xTicks = null, yTicks = null, reverse = false }) {
    Object.assign(this, { x, y, logX, reverse });
    const { context: c, box } = this;
    c.font = "12px sans-serif";
    c.strokeStyle = ink("line");
    c.fillStyle = ink("quiet");
    c.lineWidth = 1;
    c.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    c.textAlign = "center";
    for (const [value, text] of xTicks || this.ticks(x, 6)) {
      const place = this.px(value);
      if (place < box.left - 1 || place > box.right + 1) continue;
      c.beginPath(); c.moveTo(place, box.bottom); c.lineTo(place, box.bottom + 4); c.stroke();
      c.fillText(text, place, box.bottom + 16);
    }
    c.fillText(xLabel, (box.left + box.right) / 2, box.bottom + 30);
    c.textAlign = "right";
    for (const [value, text] of yTicks || this.ticks(y, 4)) {
      const place = this.py(value);
      if (place < box.top - 1 || place > box.bottom + 1) continue;
      c.beginPath(); c.moveTo(box.left - 4, place); c.lineTo(box.left, place); c.stroke();
      c.fillText(text, box.left - 6, place + 4);
    }
    c.save();
    c.translate(10, (box.top + box.bottom) / 2);
    c.rotate(-Math.PI / 2);
    c.textAlign = "center";
    c.fillText(yLabel, 0, 0);
    c.restore();
    return this;
  }

  ticks([low, high], n) {
    const raw = (high - low) / n;
    const size = 10 ** Math.floor(Math.log10(raw));
    const step = size * [1, 2, 5, 10].find((digit) => digit * size >= raw);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-9) + 1e-12; k++) {
      const value = Number((k * step).toPrecision(6));
      found.push([k * step, Math.abs(value) >= 1e5 ? value.toExponential().replace("e+", "e") : value.toString()]);
    }
    return found;
  }

  px(value) {
    const [low, high] = this.logX ? this.x.map(Math.log10) : this.x;
    let share = ((this.logX ? Math.log10(value) : value) - low) / (high - low);
    if (this.reverse) share = 1 - share;
    return this.box.left + share * (this.box.right - this.box.left);
  }

  py(value) {
    const [low, high] = this.y;
    return this.box.bottom - (value - low) / (high - low) * (this.box.bottom - this.box.top);
  }

  inside(draw) {
    const { context: c, box } = this;
    c.save();
    c.beginPath();
    c.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    c.clip();
    draw(c);
    c.restore();
    return this;
  }

  line(xs, ys, colour, wide = 1, dash = []) {
    return this.inside((c) => {
      c.strokeStyle = colour;
      c.lineWidth = wide;
      c.setLineDash(dash);
      c.beginPath();
      let down = false;
      for (let i = 0; i < xs.length; i++) {
        if (!Number.isFinite(ys[i])) { down = false; continue; }
        if (down) c.lineTo(this.px(xs[i]), this.py(ys[i])); else c.moveTo(this.px(xs[i]), this.py(ys[i]));
        down = true;
      }
      c.stroke();
    });
  }

  band(xs, low, high, colour, share = 0.3) {
    return this.inside((c) => {
      c.globalAlpha = share;
      c.fillStyle = colour;
      c.beginPath();
      xs.forEach((x, i) => (i ? c.lineTo(this.px(x), this.py(low[i])) : c.moveTo(this.px(x), this.py(low[i]))));
      for (let i = xs.length - 1; i >= 0; i--) c.lineTo(this.px(xs[i]), this.py(high[i]));
      c.fill();
    });
  }

  points(xs, ys, errors, colour, size = 3) {
    return this.inside((c) => {
      c.strokeStyle = colour;
      c.fillStyle = colour;
      for (let i = 0; i < xs.length; i++) {
        if (!Number.isFinite(ys[i])) continue;
        c.beginPath();
        c.arc(this.px(xs[i]), this.py(ys[i]), size, 0, 7);
        c.fill();
        if (!errors) continue;
        c.beginPath();
        c.moveTo(this.px(xs[i]), this.py(ys[i] - errors[i]));
        c.lineTo(this.px(xs[i]), this.py(ys[i] + errors[i]));
        c.stroke();
      }
    });
  }

  marks(entries) {
    let last = -100;
    return this.inside((c) => {
      c.font = "10px sans-serif";
      c.textAlign = "center";
      for (const { aa, name } of entries) {
        const place = this.px(aa);
        c.strokeStyle = ink("line");
        c.setLineDash([2, 3]);
        c.beginPath(); c.moveTo(place, this.box.top + 14); c.lineTo(place, this.box.bottom); c.stroke();
        if (place - last < 26) continue;
        c.fillStyle = ink("quiet");
        c.fillText(name, place, this.box.top + 10);
        last = place;
      }
    });
  }
}
