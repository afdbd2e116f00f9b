"use strict";

/**
 * A picture as a canvas has it: four bytes a pixel, red, green, blue and opacity.
 * @typedef {{data: Uint8ClampedArray, width: number, height: number}} Picture
 */

/** Pictures that are this many times as high and as wide as the image are first averaged. */
const SHRINK = 8;

/**
 * Make a picture an image of the network.
 * @param {Picture} picture
 * @param {{height: number, width: number, channels: number}} shape That of the image.
 * @param {{fit: string, prepare: ?string}} preprocessing
 * @returns {Uint8Array} Raw pixels, [height, width, channels].
 */
function imageOf(picture, shape, { fit, prepare }) {
  const planes = planesOf(picture, prepare === "digit" ? 1 : shape.channels);
  if (prepare === "digit") return prepareDigit(planes[0], shape);
  const made = planes.map((plane) => FITS[fit](plane, shape.width, shape.height));
  const pixels = new Uint8Array(shape.height * shape.width * shape.channels);
  made.forEach((plane, channel) => {
    plane.values.forEach((value, place) => {
      pixels[place * shape.channels + channel] = Math.round(Math.min(Math.max(value, 0), 255));
    });
  });
  return pixels;
}

/**
 * The colours of a picture as it is seen: what is transparent lies over white where the ink is
 * dark, and over black where it is light.
 * @param {Picture} picture
 * @param {number} channels 1 for grey, 3 for colours.
 * @returns {Plane[]}
 */
function planesOf({ data, width, height }, channels) {
  const grey = (/** @type {number} */ first) =>
    0.2126 * data[first] + 0.7152 * data[first + 1] + 0.0722 * data[first + 2];
  let [seen, opacity] = [0, 0];
  for (let first = 0; first < data.length; first += 4) {
    seen += grey(first) * data[first + 3];
    opacity += data[first + 3];
  }
  const ground = seen < 127.5 * opacity ? 255 : 0;
  return Array.from({ length: channels }, (_, channel) => {
    const plane = new Plane(width, height);
    for (let place = 0; place < plane.values.length; place++) {
      const share = data[4 * place + 3] / 255;
      const value = channels === 1 ? grey(4 * place) : data[4 * place + channel];
      plane.values[place] = Math.round(share * value + (1 - share) * ground);
    }
    return plane;
  });
}

/** What happens to pictures of other proportions than the images, by its name. */
const FITS = {
  /** @param {Plane} plane @param {number} width @param {number} height */
  stretch(plane, width, height) {
    const many = plane.width >= SHRINK * width && plane.height >= SHRINK * height;
    const averaged = many ? averageTo(plane, (SHRINK / 2) * width, (SHRINK / 2) * height) : plane;
    return averaged.resized(width, height);
  },

  /** @param {Plane} plane @param {number} width @param {number} height */
  crop(plane, width, height) {
    const scale = Math.min(plane.width / width, plane.height / height);
    const across = Math.min(Math.max(Math.round(width * scale), 1), plane.width);
    const down = Math.min(Math.max(Math.round(height * scale), 1), plane.height);
    const left = Math.floor((plane.width - across) / 2);
    const top = Math.floor((plane.height - down) / 2);
    const area = { left, top, right: left + across, bottom: top + down };
    return FITS.stretch(plane.crop(area), width, height);
  },

  /** @param {Plane} plane @param {number} width @param {number} height */
  pad(plane, width, height) {
    const scale = Math.max(plane.width / width, plane.height / height);
    const across = Math.min(Math.max(Math.round(plane.width / scale), 1), width);
    const down = Math.min(Math.max(Math.round(plane.height / scale), 1), height);
    const inner = FITS.stretch(plane, across, down);
    const whole = new Plane(width, height);
    whole.values.fill(Math.round(borderMean(plane)));
    const left = Math.floor((width - across) / 2);
    const top = Math.floor((height - down) / 2);
    for (let row = 0; row < down; row++) {
      const line = inner.values.subarray(row * across, (row + 1) * across);
      whole.values.set(line, (top + row) * width + left);
    }
    return whole;
  },
};

/** The mean of the outermost values. @param {Plane} plane */
function borderMean({ width, height, values }) {
  const outer = values.filter((_, position) => {
    const [x, y] = [position % width, Math.floor(position / width)];
    return x === 0 || y === 0 || x === width - 1 || y === height - 1;
  });
  return outer.reduce((sum, value) => sum + value, 0) / outer.length;
}

/** A smaller picture of the means of what falls together. @param {Plane} plane @param {number} width @param {number} height */
function averageTo(plane, width, height) {
  const work = (/** @type {Float32Array} */ line, /** @type {Float32Array} */ result) => {
    for (let place = 0; place < result.length; place++) {
      const first = Math.ceil((place * line.length) / result.length);
      const end = Math.ceil(((place + 1) * line.length) / result.length);
      let sum = 0;
      for (let near = first; near < end; near++) sum += line[near];
      result[place] = sum / (end - first);
    }
  };
  const means = plane.byRows(width, work).transposed().byRows(height, work).transposed();
  return means.map(Math.round);
}
