"use strict";

const element = (/** @type {string} */ id) => document.getElementById(id);

/** The page: what is drawn or opened goes to the engine, and its answers to the views. */
class Page {
  /** @param {Engine} engine */
  constructor(engine) {
    this.engine = engine;
    this.about = engine.about;
    this.bars = new Bars(element("bars"), this.about.class_names);
    this.drawing = new Drawing(element("drawing"), () => this.#drawn());
    /** Counts what was shown: an answer to something older is not shown any more. */
    this.turn = 0;
    /** What is being looked at. */
    this.looking = false;
    /** What is to be looked at next; the newest alone. @type {?() => Promise<Uint8Array>} */
    this.next = null;
    this.#describe();
    this.#listen();
    this.#showSamples();
    this.clear();
  }

  #describe() {
    const { title, num_params: count, class_names: names, image, drawn } = this.about;
    const digits = drawn && names.every((name, place) => name === String(place)) && names.length === 10;
    const task = digits ? "Draw a digit" : drawn ? "Draw a character" : "Show a picture";
    const [heading, hint] = drawn ? ["Your drawing", "draw here"] : ["Your picture", "open a picture, or drop it here"];
    document.title = `${task} · ${title}`;
    element("title").textContent = task;
    element("subtitle").textContent =
      `${title} · ${names.length} classes · ${count.toLocaleString("en")} parameters · ` +
      `images of ${image.width} × ${image.height}${image.channels === 3 ? " in colour" : ""}`;
    element("input-heading").textContent = heading;
    element("hint").textContent = hint;
    element("drawing").setAttribute("aria-label", "Paper to draw on");
    element("image-caption").textContent =
      `${image.width} × ${image.height} pixels` +
      (this.about.preprocessing.prepare === "digit" ? ", cropped, fitted and centred as MNIST's" : "");
    for (const id of ["drawing", "undo", "pen", "keys"]) element(id).hidden = !drawn;
    for (const id of ["open", "camera"]) element(id).parentElement.classList.toggle("drawn", drawn);
    const { layers } = this.about;
    element("inside").hidden = !layers.some((layer) => layer.title !== undefined);
  }

  #listen() {
    element("clear").onclick = () => this.clear();
    element("undo").onclick = () => this.drawing.undo();
    element("width").oninput = ({ target }) => {
      this.drawing.width = Number(target.value) / 100;
      this.drawing.draw();
    };
    element("file").onchange = ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) this.open(file);
    };
    element("camera").onclick = () =>
      this.#try(async () => {
        const picture = await takePicture(element("viewfinder"));
        if (picture !== null) this.showPicture(picture);
      }, "The camera can't be used");
    element("others").onclick = () => this.#showSamples();
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => this.#dropped(event, event.dataTransfer));
    addEventListener("paste", (event) => this.#dropped(event, event.clipboardData));
  }

  /** @param {Event} event @param {?DataTransfer} data */
  #dropped(event, data) {
    event.preventDefault();
    const [file] = data?.files ?? [];
    if (file) this.open(file);
  }

  /** Take away what is shown. */
  clear() {
    this.#showPaper(null);
    this.drawing.clear();
  }

  /** Look at a picture in a file. @param {Blob} file */
  open(file) {
    document.body.dataset.state = "busy";
    return this.#try(async () => this.showPicture(await readPicture(file)), "That is no picture that this browser reads");
  }

  /** Look at a picture. @param {ImageData} picture */
  showPicture(picture) {
    this.#showPaper(picture);
    this.#look(() => this.engine.image(picture));
  }

  /** Look at an image of the network's own. @param {Uint8Array} image */
  showImage(image) {
    const { height, width, channels } = this.about.image;
    const canvas = document.createElement("canvas");
    showImage(canvas, image, { height, width, channels });
    this.#showPaper(canvas.getContext("2d").getImageData(0, 0, width, height));
    this.#look(async () => image);
  }

  /** Show a picture in place of the paper, or the paper. @param {?ImageData} picture */
  #showPaper(picture) {
    const shown = element("shown");
    shown.hidden = picture === null;
    element("hint").hidden = picture !== null || !this.drawing.isEmpty;
    element("drawing").classList.toggle("covered", picture !== null);
    for (const sample of element("tray").children) sample.removeAttribute("aria-current");
    if (picture === null) return;
    this.drawing.strokes = [];
    this.drawing.draw();
    element("undo").disabled = true;
    shown.width = picture.width;
    shown.height = picture.height;
    shown.classList.toggle("pixels", picture.width < 128);
    shown.getContext("2d").putImageData(picture, 0, 0);
  }

  #drawn() {
    element("undo").disabled = this.drawing.isEmpty;
    if (!element("shown").hidden && !this.drawing.isEmpty) this.#showPaper(null);
    element("hint").hidden = !this.drawing.isEmpty || !element("shown").hidden;
    if (this.drawing.isEmpty) {
      this.#showNothing();
      return;
    }
    this.#look(() => this.engine.image(this.drawing.picture()));
  }

  #showNothing() {
    this.turn++;
    this.next = null;
    this.bars.show(this.about.class_names.map(() => 0));
    element("label").textContent = "?";
    element("certainty").textContent = this.about.drawn ? "draw something" : "open a picture";
    element("spoken").textContent = "";
    for (const id of ["image", "occlusion"]) clearPixels(element(id));
    for (const canvas of element("layers").querySelectorAll("canvas")) clearPixels(canvas);
    document.body.dataset.state = "ready";
  }

  /** Look at something, after what is being looked at. @param {() => Promise<Uint8Array>} image */
  #look(image) {
    this.turn++;
    document.body.dataset.state = "busy";
    const busy = this.next !== null || this.looking;
    this.next = image;
    if (!busy) this.#try(() => this.#lookOn(), "The network could not be asked");
  }

  async #lookOn() {
    this.looking = true;
    try {
      while (this.next !== null) {
        const [image, turn] = [this.next, this.turn];
        this.next = null;
        await this.#answer(await image(), turn);
      }
    } finally {
      this.looking = false;
    }
  }

  /** Show what the network answers. @param {Uint8Array} image @param {number} turn */
  async #answer(image, turn) {
    const wanted = () => this.next === null && this.turn === turn;
    const [logits] = await this.engine.logits([image]);
    if (this.turn !== turn && this.next === null) return;
    const probabilities = softmax(logits);
    const label = logits.indexOf(Math.max(...logits));
    this.bars.show(probabilities);
    element("label").textContent = this.about.class_names[label];
    element("label").classList.toggle("long", this.about.class_names[label].length > 3);
    element("certainty").textContent = percent(probabilities[label]);
    showImage(element("image"), image, this.about.image);
    if (wanted()) document.body.dataset.state = "answered";
    const activations = await this.engine.activations(image);
    if (!wanted()) return;
    showActivations(element("layers"), activations);
    const falls = await occlusion(this.engine, image, label, wanted);
    if (falls === null) return;
    showOcclusion(element("occlusion"), falls, image, this.about.image);
    element("spoken").textContent = `${this.about.class_names[label]}, ${percent(probabilities[label])}`;
    document.body.dataset.state = "done";
  }

  /** Show some of the samples, others than before. */
  #showSamples() {
    const { samples, image } = this.about;
    if (samples === null) return;
    element("samples").hidden = false;
    const size = image.height * image.width * image.channels;
    const pixels = (this.samplePixels ??= fromBase64(samples.pixels));
    const count = pixels.length / size;
    const shown = Math.min(12, count);
    const first = this.firstSample ?? 0;
    this.firstSample = (first + shown) % count;
    element("others").hidden = shown === count;
    element("tray").replaceChildren();
    for (let place = first; place < first + shown; place++) {
      const sample = place % count;
      const own = pixels.subarray(sample * size, (sample + 1) * size);
      const button = document.createElement("button");
      button.type = "button";
      button.title = samples.targets[sample];
      button.setAttribute("aria-label", `Try an image of ${samples.targets[sample]}`);
      const canvas = button.appendChild(document.createElement("canvas"));
      canvas.className = "pixels";
      showImage(canvas, own, image);
      button.onclick = () => {
        this.showImage(own.slice());
        button.setAttribute("aria-current", "true");
      };
      element("tray").append(button);
    }
  }

  /** Say what went wrong. @param {() => Promise<void>} work @param {string} what */
  async #try(work, what) {
    try {
      await work();
      element("failure").hidden = true;
    } catch (error) {
      document.body.dataset.state = "failed";
      fail(`${what}: ${error.message}`);
    }
  }
}

/** @param {string} message */
function fail(message) {
  element("failure").textContent = message;
  element("failure").hidden = false;
}

Engine.start().then(
  (engine) => new Page(engine),
  (error) => fail(`The model could not be loaded: ${error.message}`),
);
