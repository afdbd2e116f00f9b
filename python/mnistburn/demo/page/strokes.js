"use strict";

// Strokes and their ground in a picture told apart, as `src/data/strokes.rs` of the package does it.

/** Grey values that ink differs from its ground at least. */
const LEAST_CONTRAST = 12;

/**
 * The value that a share of sorted values is below of.
 * @param {Float32Array} sorted
 * @param {number} share
 */
function quantile(sorted, share) {
  return sorted[Math.round((sorted.length - 1) * share)];
}

/** The values of the outermost tenth of a picture, in order. @param {Plane} plane */
function bandOf(plane) {
  const { width, height } = plane;
  const band = Math.max(Math.floor(0.1 * Math.min(width, height)), 1);
  return plane.values
    .filter((_, position) => {
      const [x, y] = [position % width, Math.floor(position / width)];
      return Math.min(x, y, width - 1 - x, height - 1 - y) < band;
    })
    .sort();
}

/**
 * Whether strokes are darker than their ground: ink is the lesser part of its surroundings, and
 * seldom at the border.
 * @param {Plane} picture
 */
function inkIsDark(picture) {
  const skew = (/** @type {Plane} */ differences) => {
    let [sum, size] = [0, Number.MIN_VALUE];
    for (const value of differences.values) {
      sum += value ** 3;
      size += Math.abs(value) ** 3;
    }
    return sum / size;
  };
  const around = picture.blurred(Math.floor(picture.longer / 4));
  const bySurroundings = skew(picture.map((value, place) => value - around.values[place]));
  const ground = quantile(bandOf(picture), 0.5);
  return bySurroundings + skew(picture.map((value) => value - ground)) < 0;
}

/**
 * How much lighter a picture is than its ground, the noise of that and the value of ink; null where
 * there is none.
 * @param {Plane} light
 * @returns {?{contrast: Plane, noise: number, ink: number}}
 */
function contrastOf(light) {
  const most = light.values.reduce((found, value) => Math.max(found, value), 0);
  const flat = flatGround(bandOf(light), most);
  let smooth = light;
  for (let round = 0; round < 4; round++) {
    const contrast = flat === null ? unevenContrast(smooth) : smooth.map((value) => value - flat);
    const parts = twoParts(contrast);
    if (parts === null) return null;
    // The lower half of it: the soft edges of the strokes are in the upper one.
    const ground = contrast.values.filter((value) => value < parts.threshold).sort();
    const level = quantile(ground, 0.5);
    const noise = level - quantile(ground, 0.16);
    const ink = parts.ink - level;
    if (ink < LEAST_CONTRAST && round === 0) return null;
    const enough = light.longer < 64 || round === 3 ? 0.2 : 0.12;
    if (noise <= enough * ink) {
      return { contrast: contrast.map((value) => value - level), noise, ink };
    }
    smooth = smooth.blurred(1);
  }
  return null;
}

/** How much lighter a picture is than a ground in uneven light. @param {Plane} picture */
function unevenContrast(picture) {
  // Narrower than a third of the picture are the strokes.
  const radius = Math.max(Math.floor(picture.longer / 7), 2);
  const ground = picture.blurred(Math.floor(picture.longer / 160)).opened(radius).blurred(radius);
  return picture.map((value, place) => value - ground.values[place]);
}

/**
 * The value of a ground that is the same everywhere; null where it is not. Strokes may be at the
 * border.
 * @param {Float32Array} band The outermost values, in order.
 * @param {number} most The largest value of the picture.
 */
function flatGround(band, most) {
  const middle = quantile(band, 0.5);
  if (quantile(band, 0.9) - quantile(band, 0.1) <= 0.1 * (most - middle)) return middle;
  // Without any noise a smaller part tells.
  const level = quantile(band, 0.15);
  const spread = quantile(band, 0.3) - quantile(band, 0.02);
  return spread <= 0.01 * (most - level) ? level : null;
}

/**
 * What divides values best into two parts (Otsu, 1979), and a large one of the upper part.
 * @param {Plane} plane
 * @returns {?{threshold: number, ink: number}}
 */
function twoParts(plane) {
  const { values } = plane;
  const least = values.reduce((found, value) => Math.min(found, value), Infinity);
  const most = values.reduce((found, value) => Math.max(found, value), -Infinity);
  if (most <= least) return null;
  const histogram = new Float64Array(256);
  for (const value of values) histogram[Math.floor(((value - least) / (most - least)) * 255)]++;
  const total = histogram.reduce((sum, found, bin) => sum + bin * found, 0);
  let [below, sum, widest, split] = [0, 0, 0, 0];
  for (let bin = 0; bin < 255; bin++) {
    below += histogram[bin];
    sum += bin * histogram[bin];
    const above = values.length - below;
    if (below === 0 || above === 0) continue;
    const spread = below * above * ((total - sum) / above - sum / below) ** 2;
    if (spread > widest) [widest, split] = [spread, bin + 1];
  }
  const threshold = Math.fround(least + (split / 255) * (most - least));
  const upper = values.filter((value) => value >= threshold).sort();
  if (upper.length === 0 || upper.length === values.length) return null;
  return { threshold, ink: quantile(upper, 0.75) };
}

/**
 * Ink that hangs together.
 * @typedef {{pixels: number[], area: Area, mass: number, peak: number}} Part
 */

/**
 * Where strokes are, as 1 and 0, and their area; specks and frames are none.
 * @param {Plane} contrast
 * @param {number} noise
 * @param {number} ink
 * @returns {?{mask: Plane, area: Area}}
 */
function strokesIn(contrast, noise, ink) {
  const found = partsOf(contrast, Math.max(0.06 * ink, 3.5 * noise));
  const inked = found.filter((part) => part.peak >= 0.5 * ink);
  let parts = inked.filter((part) => !isFrame(part, contrast));
  // A line alone may be a digit.
  const largest = Math.max(0, ...parts.map((part) => part.pixels.length));
  if (largest < 0.001 * contrast.values.length || parts.length === 0) parts = inked;
  const speck = 0.06 * Math.max(0, ...parts.map((part) => part.mass));
  parts = parts.filter((part) => part.mass >= speck);
  if (parts.length === 0) return null;
  const mask = new Plane(contrast.width, contrast.height);
  for (const part of parts) for (const position of part.pixels) mask.values[position] = 1;
  return { mask, area: parts.map((part) => part.area).reduce(joined) };
}

/** The smallest area that holds both. @param {Area} one @param {Area} other @returns {Area} */
function joined(one, other) {
  return {
    left: Math.min(one.left, other.left),
    top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right),
    bottom: Math.max(one.bottom, other.bottom),
  };
}

/** Whether a part is a line across the picture, or lines around most of it. @param {Part} part @param {Plane} plane */
function isFrame({ area, pixels }, plane) {
  const [across, down] = [area.right - area.left, area.bottom - area.top];
  const [wide, high] = [across / plane.width, down / plane.height];
  if ((wide > 0.9 && high < 0.06) || (high > 0.9 && wide < 0.06)) return true;
  if (wide < 0.6 || high < 0.6) return false;
  const edge = Math.floor(Math.max(0.06 * Math.min(across, down), 1));
  const outer = pixels.filter((position) => {
    const [x, y] = [position % plane.width, Math.floor(position / plane.width)];
    return Math.min(x - area.left, area.right - 1 - x, y - area.top, area.bottom - 1 - y) < edge;
  });
  return outer.length > 0.9 * pixels.length;
}

/**
 * The parts of a picture above a least value whose pixels touch, by a side or a corner.
 * @param {Plane} plane
 * @param {number} least
 * @returns {Part[]}
 */
function partsOf(plane, least) {
  const { width, height, values } = plane;
  const seen = Uint8Array.from(values, (value) => (value <= least ? 1 : 0));
  const parts = [];
  for (let start = 0; start < seen.length; start++) {
    if (seen[start]) continue;
    seen[start] = 1;
    const pixels = [start];
    let [mass, peak] = [0, 0];
    let area = { left: width, top: height, right: 0, bottom: 0 };
    for (let next = 0; next < pixels.length; next++) {
      const position = pixels[next];
      const [x, y] = [position % width, Math.floor(position / width)];
      mass += values[position];
      peak = Math.max(peak, values[position]);
      area = joined(area, { left: x, top: y, right: x + 1, bottom: y + 1 });
      for (let row = Math.max(y - 1, 0); row < Math.min(y + 2, height); row++) {
        for (let column = Math.max(x - 1, 0); column < Math.min(x + 2, width); column++) {
          const near = row * width + column;
          if (!seen[near]) {
            seen[near] = 1;
            pixels.push(near);
          }
        }
      }
    }
    parts.push({ pixels, area, mass, peak });
  }
  return parts;
}
