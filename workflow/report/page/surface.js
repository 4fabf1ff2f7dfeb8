// The surface viewer: WebGL, no library. Vertices are RAS millimetres; the camera turns about the
// middle of all surfaces and looks at the patient from the front to begin with.
{
  const { element, bytes } = liverseg;
  const VERTEX = `
    attribute vec3 place; attribute vec3 normal; attribute float distance;
    uniform mat3 turn; uniform vec2 scale; uniform float depth;
    varying vec3 facing; varying float away;
    void main() {
      vec3 seen = turn * place;
      facing = turn * normal; away = distance;
      gl_Position = vec4(seen.xy * scale, -seen.z * depth, 1.0);
    }`;
  // Distances: blue within the reference, light on it, orange outside; told apart by all eyes.
  const FRAGMENT = `
    precision mediump float;
    varying vec3 facing; varying float away;
    uniform vec3 colour; uniform float opacity; uniform float coloured;
    void main() {
      float size = min(abs(away), 1.0);
      vec3 ends = away < 0.0 ? vec3(0.03, 0.32, 0.65) : vec3(0.80, 0.33, 0.0);
      vec3 paint = mix(colour, mix(vec3(0.93), ends, size), coloured);
      vec3 n = normalize(facing);
      float light = 0.34 + 0.56 * abs(n.z) + 0.14 * max(0.0, dot(n, normalize(vec3(-0.5, 0.7, 0.5))));
      gl_FragColor = vec4(paint * light, opacity);
    }`;

  const decode = (surface) => {
    const coded = new Uint16Array(bytes(surface.vertices).buffer);
    const triangles = new Uint16Array(bytes(surface.triangles).buffer);
    const places = new Float32Array(coded.length), normals = new Float32Array(coded.length);
    for (let i = 0; i < coded.length; i++) {
      places[i] = surface.low_mm[i % 3] + coded[i] / 65535 * surface.size_mm[i % 3];
    }
    for (let i = 0; i < triangles.length; i += 3) {
      const [a, b, c] = [0, 1, 2].map((n) => 3 * triangles[i + n]);
      const u = [0, 1, 2].map((n) => places[b + n] - places[a + n]), v = [0, 1, 2].map((n) => places[c + n] - places[a + n]);
      const cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
      for (const start of [a, b, c]) for (let n = 0; n < 3; n++) normals[start + n] += cross[n];
    }
    const away = new Float32Array(coded.length / 3);
    if (surface.distances) bytes(surface.distances).forEach((value, i) => { away[i] = (value - 127.5) / 127.5; });
    const rgb = [1, 3, 5].map((start) => parseInt(surface.colour.slice(start, start + 2), 16) / 255);
    return { name: surface.name, places, normals, triangles, away, rgb, measured: Boolean(surface.distances) };
  };

  class Surface {
    constructor(place, surfaces, gl, canvas) {
      Object.assign(this, { gl, canvas, range: surfaces[0].range_mm });
      this.parts = surfaces.map(decode).map((part) => ({ ...part, shown: true }));
      this.coloured = this.parts.some((part) => part.measured);
      this.centre();
      this.prepare();
      this.build(place);
      this.view(-0.35, 0.2);
    }

    centre() {
      const low = [1e9, 1e9, 1e9], high = [-1e9, -1e9, -1e9];
      for (const { places } of this.parts) places.forEach((value, i) => {
        low[i % 3] = Math.min(low[i % 3], value); high[i % 3] = Math.max(high[i % 3], value);
      });
      const middle = low.map((value, n) => (value + high[n]) / 2);
      this.radius = Math.hypot(...low.map((value, n) => high[n] - value)) / 2 || 1;
      for (const { places } of this.parts) places.forEach((value, i) => { places[i] = value - middle[i % 3]; });
    }

    prepare() {
      const { gl } = this, program = gl.createProgram();
      for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
        const shader = gl.createShader(kind);
        gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
      }
      gl.linkProgram(program);
      gl.useProgram(program);
      const uniforms = ["turn", "scale", "depth", "colour", "opacity", "coloured"];
      this.uniforms = Object.fromEntries(uniforms.map((name) => [name, gl.getUniformLocation(program, name)]));
      this.attributes = { place: 3, normal: 3, distance: 1 };
      for (const part of this.parts) {
        part.buffers = { place: part.places, normal: part.normals, distance: part.away };
        for (const [name, values] of Object.entries(part.buffers)) {
          part.buffers[name] = gl.createBuffer();
          gl.bindBuffer(gl.ARRAY_BUFFER, part.buffers[name]);
          gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
        }
        part.index = gl.createBuffer();
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, part.index);
        gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, part.triangles, gl.STATIC_DRAW);
      }
      this.locations = Object.fromEntries(Object.keys(this.attributes).map((name) => [name, gl.getAttribLocation(program, name)]));
      gl.enable(gl.DEPTH_TEST);
      gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    }

    build(place) {
      const views = { front: [0, 0], right: [Math.PI / 2, 0], back: [Math.PI, 0], below: [0, -Math.PI / 2] };
      const controls = element("div", { class: "controls" });
      for (const [name, angles] of Object.entries(views)) {
        const button = element("button", { type: "button" }, name);
        button.addEventListener("click", () => this.view(...angles));
        controls.append(button);
      }
      const marks = element("div", { class: "controls marks" });
      const choice = (words, checked, change) => {
        const box = element("input", { type: "checkbox", checked });
        box.addEventListener("change", () => { change(box.checked); this.legend.hidden = !this.coloured; this.draw(); });
        marks.append(element("label", {}, box, ` ${words}`));
      };
      const measured = this.coloured;
      if (measured) choice("colour by distance to the reference", true, (on) => { this.coloured = on; });
      if (this.parts.length > 1) for (const part of this.parts) choice(part.name, true, (on) => { part.shown = on; });
      this.legend = element("div", { class: "legend", hidden: !measured },
        element("span", {}, `−${this.range} mm, too small`), element("i"), element("span", {}, `+${this.range} mm, too large`));
      place.replaceChildren(controls, this.canvas, this.legend, marks);
      if (!measured) marks.append(element("span", {}, "No reference: plain colours."));
      this.listen();
    }

    listen() {
      const { canvas } = this, held = new Map();
      let apart = 0;
      canvas.addEventListener("pointerdown", (event) => {
        held.set(event.pointerId, event);
        canvas.setPointerCapture(event.pointerId);
        apart = 0;
      });
      canvas.addEventListener("pointermove", (event) => {
        const before = held.get(event.pointerId);
        if (!before) return;
        held.set(event.pointerId, event);
        if (held.size === 2) {
          const [a, b] = [...held.values()], now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
          if (apart) this.zoom *= now / apart;
          apart = now;
          this.draw();
        } else this.view(this.yaw + (event.clientX - before.clientX) / 120, this.pitch + (event.clientY - before.clientY) / 120);
      });
      for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => { held.delete(event.pointerId); apart = 0; });
      canvas.addEventListener("wheel", (event) => {
        event.preventDefault();
        this.zoom *= Math.exp(-event.deltaY / 800);
        this.draw();
      }, { passive: false });
      canvas.addEventListener("keydown", (event) => {
        const turns = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
        const zooms = { "+": 1.15, "=": 1.15, "-": 1 / 1.15 };
        if (turns[event.key]) this.view(this.yaw + turns[event.key][0], this.pitch + turns[event.key][1]);
        else if (zooms[event.key]) { this.zoom *= zooms[event.key]; this.draw(); }
        else return;
        event.preventDefault();
      });
      new ResizeObserver(() => this.draw()).observe(canvas);
    }

    view(yaw, pitch) {
      this.yaw = yaw;
      this.pitch = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, pitch));
      this.zoom ??= 1;
      this.draw();
    }

    // Rows: what lies to the right, to the top and towards the eye. From the front these are the
    // patient's left (−x), head (z) and front (y).
    turn() {
      const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
      const rows = [[-cy, -sy, 0], [sp * sy, -sp * cy, cp], [-cp * sy, cp * cy, sp]];
      return [0, 1, 2].flatMap((column) => rows.map((row) => row[column]));
    }

    draw() {
      const { gl, canvas, uniforms } = this, box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
      if (!box.width || gl.isContextLost()) return;
      canvas.width = Math.round(box.width * ratio); canvas.height = Math.round(box.height * ratio);
      this.zoom = Math.max(0.3, Math.min(12, this.zoom));
      canvas.dataset.view = `${this.yaw.toFixed(2)} ${this.pitch.toFixed(2)} ${this.zoom.toFixed(2)}`;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0.055, 0.075, 0.1, 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      const near = this.zoom * 1.12 / this.radius, short = Math.min(canvas.width, canvas.height);
      gl.uniformMatrix3fv(uniforms.turn, false, this.turn());
      gl.uniform2f(uniforms.scale, near * short / canvas.width, near * short / canvas.height);
      gl.uniform1f(uniforms.depth, 0.5 / this.radius);
      const shown = this.parts.filter((part) => part.shown);
      // The outermost region comes first in the list; what it holds is drawn before it shines through.
      const veiled = shown.length > 1;
      for (const part of [...shown].reverse()) {
        const through = veiled && part === shown[0];
        if (through) {
          gl.enable(gl.BLEND); gl.depthMask(false); gl.enable(gl.CULL_FACE);
          for (const side of [gl.FRONT, gl.BACK]) { gl.cullFace(side); this.part(part, 0.35); }
          gl.disable(gl.BLEND); gl.depthMask(true); gl.disable(gl.CULL_FACE);
        } else this.part(part, 1);
      }
    }

    part(part, opacity) {
      const { gl, uniforms } = this;
      for (const [name, width] of Object.entries(this.attributes)) {
        gl.bindBuffer(gl.ARRAY_BUFFER, part.buffers[name]);
        gl.enableVertexAttribArray(this.locations[name]);
        gl.vertexAttribPointer(this.locations[name], width, gl.FLOAT, false, 0, 0);
      }
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, part.index);
      gl.uniform3fv(uniforms.colour, part.rgb);
      gl.uniform1f(uniforms.opacity, opacity);
      gl.uniform1f(uniforms.coloured, this.coloured && part.measured ? 1 : 0);
      gl.drawElements(gl.TRIANGLES, part.triangles.length, gl.UNSIGNED_SHORT, 0);
    }
  }

  liverseg.viewers.surface = async (place, name, signal) => {
    const say = (words) => place.replaceChildren(element("p", { class: "nothing" }, words));
    say("Loading the surface …");
    try {
      const content = await liverseg.load(`cases/${name}`);
      if (signal.aborted) return;
      if (!content.surfaces.length) return say("No surface: the mask is empty.");
      const canvas = element("canvas", { class: "screen", tabindex: "0", role: "img", "aria-label": "Surface of the mask; arrow keys turn it, plus and minus zoom" });
      const gl = canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
      if (!gl) return say("This browser draws no WebGL; the picture of the surface is below.");
      new Surface(place, content.surfaces, gl, canvas);
      // Browsers keep only a few drawing contexts; a closed card gives its own back.
      signal.addEventListener("abort", () => gl.getExtension("WEBGL_lose_context")?.loseContext());
    } catch (error) {
      say(`No surface: ${error.message}`);
    }
  };
}
