"use strict";

/**
 * A point of a stroke: its place as shares of the paper's side, and how hard the pen presses there,
 * 1 for a mouse or a finger.
 * @typedef {{x: number, y: number, press: number}} Point
 */

/** The side of the picture that is made of a drawing, in pixels. */
const PICTURE_SIDE = 280;
/** How far an arrow key moves the pen; with Shift a quarter of it. */
const KEY_STEP = 1 / 28;

/** Paper to draw on with a mouse, a pen, a finger or the keyboard. */
class Drawing {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} changed Called after each change.
   */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    /** The width of the pen as a share of the paper's side. */
    this.width = 0.07;
    /** @type {{width: number, points: Point[]}[]} */
    this.strokes = [];
    /** The pointer that draws, "keyboard", or null. @type {number | string | null} */
    this.pen = null;
    /** Where the keyboard's pen is. */
    this.cursor = { x: 0.5, y: 0.5 };
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.#up(event));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  clear() {
    this.strokes = [];
    this.pen = null;
    this.#change();
  }

  undo() {
    this.strokes.pop();
    this.pen = null;
    this.#change();
  }

  /** The drawing as a picture: light strokes on a dark ground. @returns {ImageData} */
  picture() {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = PICTURE_SIDE;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "black";
    context.fillRect(0, 0, PICTURE_SIDE, PICTURE_SIDE);
    this.#paint(context, PICTURE_SIDE, "white");
    return context.getImageData(0, 0, PICTURE_SIDE, PICTURE_SIDE);
  }

  /** Show the drawing, at the resolution of the screen. */
  draw() {
    const side = Math.max(Math.round(this.canvas.clientWidth * devicePixelRatio), 1);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, side, side);
    this.#paint(context, side, getComputedStyle(this.canvas).color);
    if (this.canvas.matches(":focus-visible")) this.#paintCursor(context, side);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} side @param {string} colour */
  #paint(context, side, colour) {
    context.strokeStyle = context.fillStyle = colour;
    context.lineCap = context.lineJoin = "round";
    for (const { width, points } of this.strokes) {
      if (points.length === 1) {
        const [{ x, y, press }] = points;
        context.beginPath();
        context.arc(x * side, y * side, (width * press * side) / 2, 0, 2 * Math.PI);
        context.fill();
      }
      // Curves from the middle of one line to that of the next, so that few points are round too.
      for (let place = 1; place < points.length; place++) {
        const [before, at, after] = [points[place - 1], points[place], points[place + 1]];
        const start = place === 1 ? before : middle(before, at);
        const end = after === undefined ? at : middle(at, after);
        context.lineWidth = width * at.press * side;
        context.beginPath();
        context.moveTo(start.x * side, start.y * side);
        context.quadraticCurveTo(at.x * side, at.y * side, end.x * side, end.y * side);
        context.stroke();
      }
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} side */
  #paintCursor(context, side) {
    context.strokeStyle = getComputedStyle(this.canvas).accentColor;
    context.lineWidth = Math.max(side / 150, 1);
    context.beginPath();
    const radius = (this.width * side) / 2 + side / 80;
    context.arc(this.cursor.x * side, this.cursor.y * side, radius, 0, 2 * Math.PI);
    context.stroke();
  }

  /** @param {PointerEvent} event @returns {Point} */
  #pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const press = event.pointerType === "pen" ? 0.4 + 1.2 * event.pressure : 1;
    return {
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
      press,
    };
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.pen !== null || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pen = event.pointerId;
    this.strokes.push({ width: this.width, points: [this.#pointOf(event)] });
    this.#change();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.pointerId !== this.pen) return;
    // Those between two frames too.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length > 0 ? events : [event]) this.#add(this.#pointOf(each));
    this.#change();
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (event.pointerId === this.pen) this.pen = null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = event.shiftKey ? KEY_STEP / 4 : KEY_STEP;
    const moves = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    if (event.key in moves) {
      const [x, y] = moves[event.key];
      const within = (/** @type {number} */ value) => Math.min(Math.max(value, 0), 1);
      this.cursor = { x: within(this.cursor.x + x), y: within(this.cursor.y + y) };
      if (this.pen === "keyboard") this.#add({ ...this.cursor, press: 1 });
    } else if (event.key === " ") {
      if (this.pen === null) {
        this.pen = "keyboard";
        this.strokes.push({ width: this.width, points: [{ ...this.cursor, press: 1 }] });
      } else {
        this.pen = null;
      }
    } else if (event.key === "Delete" || event.key === "Escape") {
      this.strokes = [];
      this.pen = null;
    } else if (event.key === "Backspace" || (event.key === "z" && (event.ctrlKey || event.metaKey))) {
      this.strokes.pop();
      this.pen = null;
    } else {
      return;
    }
    event.preventDefault();
    this.#change();
  }

  /** @param {Point} point */
  #add(point) {
    const stroke = this.strokes[this.strokes.length - 1];
    if (stroke !== undefined) stroke.points.push(point);
  }

  #change() {
    this.draw();
    this.changed();
  }
}

/** @param {Point} one @param {Point} other */
function middle(one, other) {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}
