"use strict";

/** Milliseconds that images computed at once may take, so that a newer drawing need not wait. */
const AT_ONCE = 50;
/** Milliseconds of an image from which on patches do not overlap. */
const SLOW = 15;

/**
 * Which parts of an image speak for an answer: a patch is covered with the ground, and where the
 * log-odds of the answer fall, it speaks for it (Zeiler and Fergus, 2014).
 * @param {Engine} engine
 * @param {Uint8Array} image
 * @param {number} label The number of the answer.
 * @param {() => boolean} wanted Whether the result is still wanted.
 * @returns {Promise<?Float32Array>} For each pixel the mean fall; null where it is not wanted.
 */
async function occlusion(engine, image, label, wanted) {
  const { height, width } = engine.about.image;
  const ground = groundOf(image, engine.about.image);
  const asked = performance.now();
  const [plain] = await engine.logits([image]);
  const patches = patchesOf(height, width, performance.now() - asked < SLOW);
  const [falls, counts] = [new Float32Array(height * width), new Float32Array(height * width)];
  let [first, count] = [0, 4];
  while (first < patches.length) {
    const some = patches.slice(first, first + count);
    const covered = some.map((patch) => coveredImage(image, engine.about.image, patch, ground));
    const begin = performance.now();
    const logits = await engine.logits(covered);
    if (!wanted()) return null;
    first += count;
    const each = Math.max((performance.now() - begin) / some.length, 0.1);
    count = Math.min(Math.max(Math.floor(AT_ONCE / each), 1), 2 * count);
    some.forEach(({ left, top, right, bottom }, place) => {
      const fall = logOdds(plain, label) - logOdds(logits[place], label);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          falls[row * width + column] += fall;
          counts[row * width + column] += 1;
        }
      }
    });
  }
  return falls.map((fall, place) => fall / counts[place]);
}

/**
 * Squares of a seventh of the image.
 * @param {number} height
 * @param {number} width
 * @param {boolean} overlap Whether they overlap by half.
 * @returns {Area[]}
 */
function patchesOf(height, width, overlap) {
  const side = Math.max(Math.round(Math.min(height, width) / 7), 1);
  const step = overlap ? Math.max(Math.floor(side / 2), 1) : side;
  const patches = [];
  for (let top = step - side; top < height; top += step) {
    for (let left = step - side; left < width; left += step) {
      patches.push({
        left: Math.max(left, 0),
        top: Math.max(top, 0),
        right: Math.min(left + side, width),
        bottom: Math.min(top + side, height),
      });
    }
  }
  return patches;
}

/** The mean colour of the outermost pixels. */
function groundOf(image, { height, width, channels }) {
  const sums = new Array(channels).fill(0);
  let count = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (row > 0 && column > 0 && row < height - 1 && column < width - 1) continue;
      count++;
      for (let channel = 0; channel < channels; channel++) {
        sums[channel] += image[(row * width + column) * channels + channel];
      }
    }
  }
  return sums.map((sum) => Math.round(sum / count));
}

/** An image with a patch in the colour of the ground. */
function coveredImage(image, { width, channels }, { left, top, right, bottom }, ground) {
  const covered = image.slice();
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      covered.set(ground, (row * width + column) * channels);
    }
  }
  return covered;
}

/** The logarithm of the odds of a class. @param {Float32Array} logits @param {number} label */
function logOdds(logits, label) {
  const others = Array.from(logits).filter((_, place) => place !== label);
  const largest = Math.max(...others);
  const sum = others.reduce((total, value) => total + Math.exp(value - largest), 0);
  return logits[label] - largest - Math.log(sum);
}
