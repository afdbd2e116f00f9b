"use strict";

/** Channels of a layer that are shown, and features of one without an image. */
const MOST_CHANNELS = 32;
const MOST_FEATURES = 512;

/** The bars of the probabilities. */
class Bars {
  /**
   * @param {HTMLElement} list
   * @param {string[]} names
   */
  constructor(list, names) {
    this.names = names;
    /** With many classes the likeliest are shown, in their order. */
    this.ranked = names.length > 12;
    this.rows = names.slice(0, 12).map(() => {
      const row = list.appendChild(document.createElement("li"));
      const [name, track, share] = ["name", "track", "share"].map((kind) => {
        const part = row.appendChild(document.createElement("span"));
        part.className = kind;
        return part;
      });
      const bar = track.appendChild(document.createElement("span"));
      bar.className = "bar";
      return { row, name, bar, share };
    });
    list.classList.toggle("long", names.some((name) => name.length > 3));
    this.show(names.map(() => 0));
  }

  /** @param {number[]} probabilities */
  show(probabilities) {
    let order = probabilities.map((_, place) => place);
    const best = order.reduce((found, place) => (probabilities[place] > probabilities[found] ? place : found), 0);
    if (this.ranked) order = order.sort((one, other) => probabilities[other] - probabilities[one]);
    this.rows.forEach(({ row, name, bar, share }, place) => {
      const value = probabilities[order[place]];
      name.textContent = name.title = this.names[order[place]];
      bar.style.width = `${(100 * value).toFixed(2)}%`;
      share.textContent = percent(value);
      row.classList.toggle("best", value > 0 && order[place] === best);
    });
  }
}

/** A probability for people. @param {number} value */
function percent(value) {
  if (value > 0.999 && value < 1) return "> 99.9 %";
  return `${(100 * value).toFixed(1)} %`;
}

/**
 * Show the pixels of an image.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} pixels [height, width, channels]
 * @param {{height: number, width: number, channels: number}} shape
 */
function showImage(canvas, pixels, { height, width, channels }) {
  paintPixels(canvas, height, width, (place) =>
    channels === 1 ? [pixels[place], pixels[place], pixels[place]] : pixels.subarray(3 * place, 3 * place + 3),
  );
}

/**
 * Show an occlusion map over its image.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} falls
 * @param {Uint8Array} pixels
 * @param {{height: number, width: number, channels: number}} shape
 */
function showOcclusion(canvas, falls, pixels, { height, width, channels }) {
  const largest = falls.reduce((found, value) => Math.max(found, Math.abs(value)), 1e-6);
  paintPixels(canvas, height, width, (place) => {
    let grey = 0;
    for (let channel = 0; channel < channels; channel++) grey += pixels[place * channels + channel];
    grey = 30 + (grey / channels) * 0.45;
    const share = falls[place] / largest;
    // Orange speaks for the answer, blue against it.
    const colour = share > 0 ? [255, 120, 20] : [60, 130, 255];
    const strength = Math.min(Math.abs(share) ** 0.8, 1) * 0.9;
    return colour.map((value) => grey * (1 - strength) + value * strength);
  });
}

/** @param {HTMLCanvasElement} canvas */
function clearPixels(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} height
 * @param {number} width
 * @param {(place: number) => ArrayLike<number>} colourOf Red, green and blue of a pixel.
 */
function paintPixels(canvas, height, width, colourOf) {
  if (canvas.height !== height || canvas.width !== width) {
    canvas.height = height;
    canvas.width = width;
  }
  const painted = new ImageData(width, height);
  for (let place = 0; place < height * width; place++) {
    painted.data.set(colourOf(place), 4 * place);
    painted.data[4 * place + 3] = 255;
  }
  canvas.getContext("2d").putImageData(painted, 0, 0);
}

/**
 * Show what leaves the layers.
 * @param {HTMLElement} place
 * @param {object[]} activations
 */
function showActivations(place, activations) {
  activations.forEach((layer, index) => {
    const figure = place.children[index] ?? place.appendChild(layerFigure());
    const { title, channels, height, width, values } = layer;
    const flat = height === 1 && width === 1;
    const what = flat ? `${channels} features` : `${channels} channels of ${height} × ${width}`;
    figure.querySelector("b").textContent = title;
    figure.querySelector("span").textContent = what;
    const canvas = figure.querySelector("canvas");
    canvas.setAttribute("aria-label", `${title}: ${what}`);
    if (flat) showFeatures(canvas, values);
    else showChannels(canvas, layer);
  });
}

function layerFigure() {
  const figure = document.createElement("figure");
  const caption = figure.appendChild(document.createElement("figcaption"));
  caption.append(document.createElement("b"), " ", document.createElement("span"));
  const canvas = figure.appendChild(document.createElement("canvas"));
  canvas.className = "pixels";
  canvas.setAttribute("role", "img");
  return figure;
}

/** Channels beside each other, each a square. */
function showChannels(canvas, { channels, height, width, values }) {
  const count = Math.min(channels, MOST_CHANNELS);
  const columns = Math.min(count, 8);
  const rows = Math.ceil(count / columns);
  const [tall, wide] = [height + 1, width + 1];
  const scale = scaleOf(values);
  canvas.style.aspectRatio = `${columns * wide} / ${rows * tall}`;
  paintPixels(canvas, rows * tall, columns * wide, (place) => {
    const [x, y] = [place % (columns * wide), Math.floor(place / (columns * wide))];
    const channel = Math.floor(y / tall) * columns + Math.floor(x / wide);
    const [column, row] = [x % wide, y % tall];
    if (column === width || row === height || channel >= count) return GAP;
    return heat(values[(channel * height + row) * width + column] / scale);
  });
}

/** Features as cells, row by row. */
function showFeatures(canvas, values) {
  const count = Math.min(values.length, MOST_FEATURES);
  const columns = Math.min(count, 32);
  const rows = Math.ceil(count / columns);
  const scale = scaleOf(values);
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  paintPixels(canvas, rows, columns, (place) => (place < count ? heat(values[place] / scale) : GAP));
}

const GAP = [20, 23, 28];

function scaleOf(values) {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-6);
}

/** A colour from dark over orange to white; blue for what is below zero. @param {number} share */
function heat(share) {
  const value = Math.min(Math.abs(share) ** 0.7, 1);
  if (share < 0) return [30 + 20 * value, 34 + 80 * value, 42 + 190 * value];
  return [36 + 219 * Math.min(1.6 * value, 1), 36 + 214 * value ** 1.4, 42 + 180 * value ** 3];
}
