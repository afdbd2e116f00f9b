"use strict";

// Pictures of digits made as MNIST was, as `src/data/digit.rs` of the package does it: light
// strokes on a dark ground, fitted into 20 x 20 pixels, placed by their mass.

/** The longer side of a picture in which strokes are looked for. */
const SEARCH_SIDE = 320;
/** Strokes are looked for once more where they are in less than this share of a shrunk picture. */
const SMALL_SHARE = 0.6;
const LARGEST_PART = 0.9;
/** The side of a drawing before its strokes are made thicker or thinner. */
const MORPH_SIDE = 96;
/** Widths of strokes as shares of the longer side that are left as they are. */
const STROKES = [0.073, 0.22];
/** What narrower and wider ones become. */
const EVEN_STROKES = [0.1, 0.2];

/**
 * Make a picture of a digit as MNIST was made.
 * @param {Plane} picture Grey values from 0 to 255.
 * @param {{height: number, width: number, channels: number}} shape That of the image.
 * @returns {Uint8Array} The raw pixels of the image; dark where there are no strokes.
 */
function prepareDigit(picture, shape) {
  const pixels = new Uint8Array(shape.height * shape.width * shape.channels);
  const found = findDrawing(picture, null);
  if (found === null) return pixels;
  const strokes = evenStrokes(found.ink);
  const side = Math.max(Math.floor((Math.min(shape.height, shape.width) * 20) / 28), 1);
  const scaled = (/** @type {number} */ length) =>
    Math.min(Math.max(Math.round((length * side) / strokes.longer), 1), side);
  const fitted = strokes.resized(scaled(strokes.width), scaled(strokes.height));
  const left = placeOf(fitted, shape.width);
  const top = placeOf(fitted.transposed(), shape.height);
  const most = fitted.values.reduce((largest, value) => Math.max(largest, value), 0);
  fitted.values.forEach((value, position) => {
    const row = top + Math.floor(position / fitted.width);
    const column = left + (position % fitted.width);
    const first = (row * shape.width + column) * shape.channels;
    pixels.fill(Math.round((255 * value) / most), first, first + shape.channels);
  });
  return pixels;
}

/**
 * Where the first column of a drawing belongs, so that its mass is in the middle.
 * @param {Plane} drawing
 * @param {number} length The columns of the image.
 */
function placeOf(drawing, length) {
  let [mass, moment] = [0, 0];
  drawing.values.forEach((value, position) => {
    mass += value;
    moment += value * (position % drawing.width);
  });
  const first = Math.max(Math.round(length / 2 - moment / mass), 0);
  return Math.min(first, length - drawing.width);
}

/**
 * Look for strokes.
 * @param {Plane} picture
 * @param {?boolean} known Whether they are dark; null where that is to be found out.
 * @returns {?{ink: Plane}} The strokes, cropped, from 0 for ground to 1 for ink.
 */
function findDrawing(picture, known) {
  const shrink = Math.max(picture.longer / SEARCH_SIDE, 1);
  const side = (/** @type {number} */ length) => Math.max(Math.round(length / shrink), 1);
  const small = picture.resized(side(picture.width), side(picture.height));
  const dark = known ?? inkIsDark(small);
  const seen = contrastOf(dark ? small.map((value) => 255 - value) : small);
  if (seen === null) return null;
  const { contrast, noise, ink } = seen;
  const strokes = strokesIn(contrast, noise, ink);
  if (strokes === null) return null;
  const { mask, area } = strokes;
  const longer = Math.max(area.right - area.left, area.bottom - area.top);
  if (shrink > 1 && longer < SMALL_SHARE * small.longer) {
    const part = picture.crop(surroundings(area, small, picture));
    // One as large shows no more, and the search would not end.
    const found = part.longer <= LARGEST_PART * picture.longer ? findDrawing(part, dark) : null;
    if (found !== null) return found;
  }
  const floor = 2 * noise;
  const clear = contrast.map((value, place) => {
    return mask.values[place] * Math.min(Math.max((value - floor) / (ink - floor), 0), 1);
  });
  return { ink: clear.crop(area) };
}

/**
 * An area of a shrunk picture with a margin, in the picture itself.
 * @param {Area} area
 * @param {Plane} small
 * @param {Plane} picture
 * @returns {Area}
 */
function surroundings(area, small, picture) {
  const [across, down] = [picture.width / small.width, picture.height / small.height];
  const left = Math.floor(area.left * across);
  const top = Math.floor(area.top * down);
  const right = Math.ceil(area.right * across);
  const bottom = Math.ceil(area.bottom * down);
  const margin = Math.floor(Math.max(right - left, bottom - top) / 3) + 2;
  return {
    left: Math.max(left - margin, 0),
    top: Math.max(top - margin, 0),
    right: Math.min(right + margin, picture.width),
    bottom: Math.min(bottom + margin, picture.height),
  };
}

/** Strokes, with those made thicker or thinner that MNIST's are not like. @param {Plane} ink */
function evenStrokes(ink) {
  const own = strokeWidth(ink) / ink.longer;
  if (own >= STROKES[0] && own <= STROKES[1]) return ink;
  const scaled = (/** @type {number} */ length) =>
    Math.max(Math.round((length * MORPH_SIDE) / ink.longer), 1);
  const large = ink.resized(scaled(ink.width), scaled(ink.height));
  // A margin for what grows.
  const margin = MORPH_SIDE / 8;
  const wide = new Plane(large.width + 2 * margin, large.height + 2 * margin);
  for (let row = 0; row < large.height; row++) {
    const line = large.values.subarray(row * large.width, (row + 1) * large.width);
    wide.values.set(line, (row + margin) * wide.width + margin);
  }
  const width = strokeWidth(wide) / MORPH_SIDE;
  const wanted = Math.min(Math.max(width, EVEN_STROKES[0]), EVEN_STROKES[1]);
  const changed = wide.grown(((wanted - width) * MORPH_SIDE) / 2);
  const area = changed.bounds(0.1);
  return area === null ? ink : changed.crop(area);
}

/** The mean width of strokes: their area by half their edge. @param {Plane} ink */
function strokeWidth(ink) {
  let [mass, edge] = [0, 0];
  for (let y = 0; y <= ink.height; y++) {
    for (let x = 0; x <= ink.width; x++) {
      const value = ink.at(x, y);
      mass += value;
      edge += Math.abs(value - ink.at(x - 1, y)) + Math.abs(value - ink.at(x, y - 1));
    }
  }
  // Steps along rows and columns are longer than a slanted edge by 4 / pi in the mean.
  return (2 * mass) / ((edge * Math.PI) / 4);
}
