// The slice viewer: a CT of eight bits in three planes, with the outlines of mask and reference.
// Arrays run x, y, z to the patient's right, front and head; pictures show the patient's right on
// the left, as radiologists read them.
{
  const PLANES = {
    axial: { across: 0, down: 1, through: 2, ends: "RLAP" },
    coronal: { across: 0, down: 2, through: 1, ends: "RLSI" },
    sagittal: { across: 1, down: 2, through: 0, ends: "APSI" },
  };
  const WINDOWS = { "Liver": [-20, 180], "Soft tissue": [-160, 240], "Whole range": null };
  const REFERENCE = "#ffffff";

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  const readRuns = (text, size) => {
    const coded = bytes(text), out = new Uint8Array(size);
    let place = 0;
    for (let i = 0; i < coded.length;) {
      const value = coded[i++];
      let length = 0, shift = 0, group;
      do { group = coded[i++]; length += (group & 127) * 2 ** shift; shift += 7; } while (group > 127);
      out.fill(value, place, place += length);
    }
    return out;
  };

  // The grey values of the mosaic picture, as one array in the order z, y, x.
  const readVoxels = async (scan) => {
    const [nx, ny, nz] = scan.shape;
    const voxels = new Uint8Array(nx * ny * nz);
    if (!scan.ct) return voxels;
    const picture = new Image();
    picture.src = scan.ct;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = picture.width; canvas.height = ny;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    for (let top = 0; top * scan.columns < nz; top++) {
      context.drawImage(picture, 0, -top * ny);
      const pixels = context.getImageData(0, 0, picture.width, ny).data;
      for (let column = 0; column < scan.columns && top * scan.columns + column < nz; column++) {
        const base = (top * scan.columns + column) * nx * ny;
        for (let y = 0; y < ny; y++)
          for (let x = 0; x < nx; x++)
            voxels[base + y * nx + x] = pixels[4 * (y * picture.width + column * nx + x)];
      }
    }
    return voxels;
  };

  const element = (kind, attributes = {}, ...children) => {
    const made = document.createElement(kind);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in made && typeof value !== "string") made[name] = value; else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };
  liverseg.element = element;
  liverseg.bytes = bytes;

  class Slices {
    constructor(place, scan, voxels, content) {
      Object.assign(this, { scan, voxels, content });
      this.size = scan.shape.reduce((a, b) => a * b);
      this.mask = readRuns(content.mask, this.size);
      this.reference = content.reference && readRuns(content.reference, this.size);
      this.plane = "axial";
      this.show = { mask: true, reference: true, fill: false };
      this.window = WINDOWS.Liver;
      this.build(place);
      this.choosePlane("axial");
    }

    build(place) {
      this.canvas = element("canvas", { class: "screen", tabindex: "0", role: "img" });
      this.slider = element("input", { type: "range", min: "0", step: "1", "aria-label": "Slice" });
      this.label = element("output", { class: "where" });
      this.planes = Object.keys(PLANES).map((name) => {
        const button = element("button", { type: "button", "aria-pressed": "false" }, name);
        button.addEventListener("click", () => this.choosePlane(name));
        return button;
      });
      const windows = element("select", { "aria-label": "Window" },
        ...Object.keys(WINDOWS).map((name) => element("option", {}, name)));
      windows.addEventListener("change", () => { this.window = WINDOWS[windows.value]; this.draw(); });
      const controls = element("div", { class: "controls" }, ...this.planes, windows);
      const marks = element("div", { class: "controls marks" });
      const choices = { mask: "predicted", fill: "filled" };
      if (this.reference) choices.reference = "reference (dashed)";
      for (const [name, words] of Object.entries(choices)) {
        const box = element("input", { type: "checkbox", checked: this.show[name] });
        box.addEventListener("change", () => { this.show[name] = box.checked; this.draw(); });
        marks.append(element("label", {}, box, ` ${words}`));
      }
      for (const region of this.content.regions) {
        const swatch = element("i");
        swatch.style.background = region.colour;
        marks.append(element("span", { class: "swatch" }, swatch, region.name));
      }
      place.replaceChildren(controls, this.canvas,
        element("div", { class: "scrub" }, this.slider, this.label), marks);
      this.listen();
    }

    listen() {
      this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
      this.canvas.addEventListener("wheel", (event) => {
        event.preventDefault();
        this.go(this.index - Math.sign(event.deltaY));
      }, { passive: false });
      this.canvas.addEventListener("keydown", (event) => {
        const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5, Home: -1e9, End: 1e9 };
        if (!(event.key in steps)) return;
        event.preventDefault();
        this.go(this.index + steps[event.key]);
      });
      let held = null;
      this.canvas.addEventListener("pointerdown", (event) => {
        held = { x: event.clientX, index: this.index };
        this.canvas.setPointerCapture(event.pointerId);
      });
      this.canvas.addEventListener("pointermove", (event) => {
        if (held) this.go(held.index + Math.round((event.clientX - held.x) / 6));
        this.say(event);
      });
      for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => { held = null; });
      this.canvas.addEventListener("pointerleave", () => this.say());
      new ResizeObserver(() => this.draw()).observe(this.canvas);
    }

    choosePlane(name) {
      this.plane = name;
      for (const button of this.planes) button.setAttribute("aria-pressed", String(button.textContent === name));
      const { through } = PLANES[name];
      this.slider.max = this.scan.shape[through] - 1;
      this.go(this.fullest(through));
    }

    // The slice with most of the mask, where a reader looks first.
    fullest(axis) {
      const [nx, ny] = this.scan.shape;
      const counts = new Uint32Array(this.scan.shape[axis]);
      for (let i = 0; i < this.size; i++) if (this.mask[i]) {
        counts[[i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))][axis]]++;
      }
      const most = Math.max(...counts);
      const full = [...counts.keys()].filter((index) => counts[index] === most);
      return full[full.length >> 1];
    }

    go(index) {
      const last = Number(this.slider.max);
      this.index = Math.max(0, Math.min(last, index));
      this.slider.value = this.index;
      this.canvas.dataset.slice = this.index;
      this.canvas.setAttribute("aria-label",
        `${this.plane} slice ${this.index + 1} of ${last + 1}; arrow keys scroll`);
      this.say();
      this.draw();
    }

    // Where a pixel of the picture (column, row) lies in the arrays.
    at(column, row) {
      const { across, down, through } = PLANES[this.plane], shape = this.scan.shape, place = [0, 0, 0];
      place[through] = this.index;
      place[across] = shape[across] - 1 - column;
      place[down] = shape[down] - 1 - row;
      return (place[2] * shape[1] + place[1]) * shape[0] + place[0];
    }

    extent() {
      const { across, down } = PLANES[this.plane], { shape, spacing_mm: mm } = this.scan;
      return { columns: shape[across], rows: shape[down], width: shape[across] * mm[across], height: shape[down] * mm[down] };
    }

    layout() {
      const box = this.canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
      const { columns, rows, width, height } = this.extent();
      const scale = Math.min(box.width / width, box.height / height) * ratio;
      return {
        columns, rows, ratio, boxWidth: Math.round(box.width * ratio), boxHeight: Math.round(box.height * ratio),
        left: (box.width * ratio - width * scale) / 2, top: (box.height * ratio - height * scale) / 2,
        width: width * scale, height: height * scale,
      };
    }

    draw() {
      const layout = this.layout(), { columns, rows } = layout;
      if (!layout.boxWidth) return;
      this.canvas.width = layout.boxWidth; this.canvas.height = layout.boxHeight;
      const [low, high] = this.scan.window_hu, window = this.window || [low, high];
      const image = new ImageData(columns, rows), mask = new Uint8Array(columns * rows), reference = new Uint8Array(columns * rows);
      const palette = this.palette();
      for (let row = 0, i = 0; row < rows; row++) for (let column = 0; column < columns; column++, i++) {
        const place = this.at(column, row);
        const hu = low + this.voxels[place] / 255 * (high - low);
        let grey = Math.max(0, Math.min(255, (hu - window[0]) / (window[1] - window[0]) * 255));
        mask[i] = this.mask[place];
        if (this.reference) reference[i] = this.reference[place];
        const tint = this.show.fill && palette[mask[i]];
        for (let channel = 0; channel < 3; channel++) {
          image.data[4 * i + channel] = tint ? 0.62 * grey + 0.38 * tint[channel] : grey;
        }
        image.data[4 * i + 3] = 255;
      }
      const small = new OffscreenCanvas(columns, rows);
      small.getContext("2d").putImageData(image, 0, 0);
      const context = this.canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(small, layout.left, layout.top, layout.width, layout.height);
      for (const region of this.content.regions) {
        const classes = new Set(region.classes);
        if (this.show.mask) this.outline(context, layout, mask, classes, region.colour, false);
        if (this.show.reference && this.reference) this.outline(context, layout, reference, classes, REFERENCE, true);
      }
      this.letters(context, layout);
    }

    palette() {
      const colours = [];
      for (const { classes, colour } of this.content.regions) {
        const rgb = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
        for (const index of classes) colours[index] = rgb;
      }
      return colours;
    }

    // Marching squares between the centres of pixels: lines halfway between in and out.
    outline(context, layout, classes, inside, colour, dashed) {
      const { columns, rows } = layout, step = [layout.width / columns, layout.height / rows];
      const is = (column, row) => column >= 0 && row >= 0 && column < columns && row < rows && inside.has(classes[row * columns + column]);
      const x = (column) => layout.left + (column + 0.5) * step[0], y = (row) => layout.top + (row + 0.5) * step[1];
      context.beginPath();
      for (let row = -1; row < rows; row++) for (let column = -1; column < columns; column++) {
        const code = is(column, row) | is(column + 1, row) << 1 | is(column + 1, row + 1) << 2 | is(column, row + 1) << 3;
        if (code === 0 || code === 15) continue;
        if (dashed && (row + column) % 3 === 0) continue;
        const north = [x(column + 0.5), y(row)], south = [x(column + 0.5), y(row + 1)];
        const west = [x(column), y(row + 0.5)], east = [x(column + 1), y(row + 0.5)];
        const lines = {
          1: [[west, north]], 2: [[north, east]], 3: [[west, east]], 4: [[east, south]],
          5: [[west, north], [east, south]], 6: [[north, south]], 7: [[west, south]], 8: [[south, west]],
          9: [[north, south]], 10: [[north, east], [south, west]], 11: [[south, east]], 12: [[west, east]],
          13: [[north, east]], 14: [[west, north]],
        }[code];
        for (const [from, to] of lines) { context.moveTo(...from); context.lineTo(...to); }
      }
      context.strokeStyle = colour;
      context.lineWidth = (dashed ? 1.2 : 1.8) * layout.ratio;
      context.lineCap = "round";
      context.stroke();
    }

    letters(context, layout) {
      const [left, right, top, bottom] = PLANES[this.plane].ends;
      context.font = `${13 * layout.ratio}px system-ui, sans-serif`;
      context.fillStyle = "#c9d3dc";
      context.textAlign = "center"; context.textBaseline = "middle";
      const inset = 12 * layout.ratio, { boxWidth: width, boxHeight: height } = layout;
      context.fillText(left, inset, height / 2); context.fillText(right, width - inset, height / 2);
      context.fillText(top, width / 2, inset); context.fillText(bottom, width / 2, height - inset);
    }

    say(event) {
      let words = `slice ${this.index + 1} / ${Number(this.slider.max) + 1}`;
      if (event) {
        const box = this.canvas.getBoundingClientRect(), layout = this.layout();
        const column = Math.floor(((event.clientX - box.left) * layout.ratio - layout.left) / layout.width * layout.columns);
        const row = Math.floor(((event.clientY - box.top) * layout.ratio - layout.top) / layout.height * layout.rows);
        if (column >= 0 && row >= 0 && column < layout.columns && row < layout.rows) {
          const [low, high] = this.scan.window_hu, value = this.voxels[this.at(column, row)];
          const sign = value === 0 ? "≤" : value === 255 ? "≥" : "≈";
          words += `  ${sign} ${Math.round(low + value / 255 * (high - low))} HU`.replace("-", "−");
        }
      }
      this.label.textContent = words;
    }
  }

  liverseg.viewers.slices = async (place, name, signal) => {
    place.replaceChildren(element("p", { class: "nothing" }, "Loading the CT …"));
    try {
      const [scan, content] = await Promise.all([liverseg.load(`scans/${place.dataset.scan}`), liverseg.load(`cases/${name}`)]);
      const voxels = await readVoxels(scan);
      if (!signal.aborted) new Slices(place, scan, voxels, content);
    } catch (error) {
      place.replaceChildren(element("p", { class: "nothing" }, `No slices: ${error.message}`));
    }
  };

  liverseg.viewers.pictures = async (place, name, signal) => {
    const content = await liverseg.load(`cases/${name}`).catch(() => null);
    if (signal.aborted) return;
    place.replaceChildren();
    const words = { overlay: "Mask on slices of the CT", projection: "Maximum-intensity projection", surface: "Surface" };
    for (const [kind, address] of Object.entries(content ? content.pictures : {})) {
      const picture = element("img", { alt: words[kind] || kind });
      picture.src = address;
      place.append(element("figure", {}, picture, element("figcaption", {}, words[kind] || kind)));
    }
  };
}
