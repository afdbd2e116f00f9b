"use strict";

/**
 * What enters or leaves a layer for one image, channel by channel and row by row.
 * @typedef {{channels: number, height: number, width: number, values: Float32Array}} Features
 */

/** What a normalisation adds to the variance is in its layer; see `layers.py` for all of them. */
class Network {
  /**
   * @param {object} about The description of the model, with `layers`, `image`, `mean` and `std`.
   * @param {Map<string, Float32Array>} parameters By their names.
   */
  constructor(about, parameters) {
    this.about = about;
    this.parameters = parameters;
  }

  /**
   * Compute what leaves each layer.
   * @param {Uint8Array} pixels An image, [height, width, channels].
   * @returns {Features[]} By the number of the layer; the last one is the logits.
   */
  outputs(pixels) {
    const image = this.normalised(pixels);
    /** @type {Features[]} */
    const outputs = [];
    for (const layer of this.about.layers) {
      const input = outputs.length > 0 ? outputs[outputs.length - 1] : image;
      const second = layer.kind === "add" ? (outputs[layer.with] ?? image) : undefined;
      const state = (/** @type {string} */ name) => this.parameters.get(`${layer.path}.${name}`);
      outputs.push(LAYERS[layer.kind](input, layer, state, second));
    }
    return outputs;
  }

  /** The logits of an image. @param {Uint8Array} pixels @returns {Float32Array} */
  logits(pixels) {
    const outputs = this.outputs(pixels);
    return outputs[outputs.length - 1].values;
  }

  /** An image with the mean of each channel subtracted, divided by its deviation. @param {Uint8Array} pixels */
  normalised(pixels) {
    const { image, mean, std } = this.about;
    const { channels, height, width } = image;
    const size = height * width;
    const values = new Float32Array(channels * size);
    for (let channel = 0; channel < channels; channel++) {
      for (let place = 0; place < size; place++) {
        const pixel = pixels[place * channels + channel] / 255;
        values[channel * size + place] = (pixel - mean[channel]) / std[channel];
      }
    }
    return { channels, height, width, values };
  }
}

/** The layers by their kinds; each takes its input, its settings and its parameters. */
const LAYERS = {
  convolution(input, { outputs, kernel, padding }, state) {
    const [weight, bias] = [state("weight"), state("bias")];
    const x = bordered(input, padding);
    const [height, width] = [x.height - kernel + 1, x.width - kernel + 1];
    const values = new Float32Array(outputs * height * width);
    for (let output = 0; output < outputs; output++) {
      const into = values.subarray(output * height * width, (output + 1) * height * width);
      into.fill(bias[output]);
      for (let channel = 0; channel < x.channels; channel++) {
        for (let down = 0; down < kernel; down++) {
          const first = ((output * x.channels + channel) * kernel + down) * kernel;
          const row = weight.subarray(first, first + kernel);
          for (let y = 0; y < height; y++) {
            const from = (channel * x.height + y + down) * x.width;
            addRow(into, y * width, x.values, from, row, width);
          }
        }
      }
    }
    return { channels: outputs, height, width, values };
  },

  relu(input) {
    return { ...input, values: input.values.map((value) => (value > 0 ? value : 0)) };
  },

  add(input, _layer, _state, second) {
    return { ...input, values: input.values.map((value, place) => value + second.values[place]) };
  },

  /** The largest of each 2 x 2 values. */
  max_pool({ channels, height, width, values }) {
    const [rows, columns] = [Math.floor(height / 2), Math.floor(width / 2)];
    const pooled = new Float32Array(channels * rows * columns);
    let next = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const first = (channel * height + 2 * row) * width + 2 * column;
          const upper = Math.max(values[first], values[first + 1]);
          pooled[next++] = Math.max(upper, values[first + width], values[first + width + 1]);
        }
      }
    }
    return { channels, height: rows, width: columns, values: pooled };
  },

  /** Means over `size` x `size` cells of an image of any size. */
  average_pool({ channels, height, width, values }, { size }) {
    const pooled = new Float32Array(channels * size * size);
    const edges = (/** @type {number} */ cell, /** @type {number} */ length) => [
      Math.floor((cell * length) / size),
      Math.ceil(((cell + 1) * length) / size),
    ];
    let next = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let down = 0; down < size; down++) {
        const [top, bottom] = edges(down, height);
        for (let across = 0; across < size; across++) {
          const [left, right] = edges(across, width);
          let sum = 0;
          for (let row = top; row < bottom; row++) {
            const first = (channel * height + row) * width;
            for (let column = left; column < right; column++) sum += values[first + column];
          }
          pooled[next++] = sum / ((bottom - top) * (right - left));
        }
      }
    }
    return { channels, height: size, width: size, values: pooled };
  },

  group_norm(input, { groups, epsilon }, state) {
    const [gamma, beta] = [state("gamma"), state("beta")];
    const values = new Float32Array(input.values.length);
    const length = values.length / groups;
    const size = input.height * input.width;
    for (let first = 0; first < values.length; first += length) {
      const group = input.values.subarray(first, first + length);
      const mean = group.reduce((sum, value) => sum + value, 0) / length;
      const variance = group.reduce((sum, value) => sum + (value - mean) ** 2, 0) / length;
      const scale = 1 / Math.sqrt(variance + epsilon);
      for (let place = first; place < first + length; place++) {
        const channel = Math.floor(place / size);
        values[place] = (input.values[place] - mean) * scale * gamma[channel] + beta[channel];
      }
    }
    return { ...input, values };
  },

  batch_norm(input, { epsilon }, state) {
    const [gamma, beta] = [state("gamma"), state("beta")];
    const [mean, variance] = [state("running_mean"), state("running_var")];
    const size = input.height * input.width;
    const values = input.values.map((value, place) => {
      const channel = Math.floor(place / size);
      const scale = gamma[channel] / Math.sqrt(variance[channel] + epsilon);
      return (value - mean[channel]) * scale + beta[channel];
    });
    return { ...input, values };
  },

  /** All values as features; the parameters of what follows are in the same order. */
  flatten({ values }) {
    return { channels: values.length, height: 1, width: 1, values };
  },

  /** The weight is [inputs, outputs]. */
  linear({ values }, { outputs }, state) {
    const [weight, bias] = [state("weight"), state("bias")];
    const sums = Float64Array.from(bias);
    for (let input = 0; input < values.length; input++) {
      const value = values[input];
      if (value === 0) continue;
      const first = input * outputs;
      for (let output = 0; output < outputs; output++) sums[output] += value * weight[first + output];
    }
    return { channels: outputs, height: 1, width: 1, values: Float32Array.from(sums) };
  },
};

/** Features with rows and columns of zeros on each side. @param {Features} input @param {number} padding @returns {Features} */
function bordered(input, padding) {
  if (padding === 0) return input;
  const { channels } = input;
  const [height, width] = [input.height + 2 * padding, input.width + 2 * padding];
  const values = new Float32Array(channels * height * width);
  for (let row = 0; row < channels * input.height; row++) {
    const [channel, place] = [Math.floor(row / input.height), row % input.height];
    const line = input.values.subarray(row * input.width, (row + 1) * input.width);
    values.set(line, (channel * height + place + padding) * width + padding);
  }
  return { channels, height, width, values };
}

/**
 * Add what a row of a kernel, of 3 or 5 weights, makes of a row of values.
 * @param {Float32Array} into
 * @param {number} to The place of the first sum.
 * @param {Float32Array} values
 * @param {number} from The place of the first value.
 * @param {Float32Array} weights
 * @param {number} width The number of sums.
 */
function addRow(into, to, values, from, weights, width) {
  const [a, b, c, d, e] = weights;
  if (weights.length === 3) {
    for (let x = 0; x < width; x++) {
      const at = from + x;
      into[to + x] += a * values[at] + b * values[at + 1] + c * values[at + 2];
    }
    return;
  }
  for (let x = 0; x < width; x++) {
    const at = from + x;
    const left = a * values[at] + b * values[at + 1];
    into[to + x] += left + c * values[at + 2] + d * values[at + 3] + e * values[at + 4];
  }
}

/**
 * Read the parameters of a model.
 * @param {{tensors: {name: string, shape: number[]}[], precision: string}} about
 * @param {ArrayBuffer} content The numbers one after the other, little-endian, of 2 or 4 bytes.
 * @returns {Map<string, Float32Array>}
 */
function readParameters({ tensors, precision }, content) {
  const numbers = precision === "half" ? halves(new Uint16Array(content)) : new Float32Array(content);
  let first = 0;
  return new Map(
    tensors.map(({ name, shape }) => {
      const length = shape.reduce((product, size) => product * size, 1);
      first += length;
      return [name, numbers.subarray(first - length, first)];
    }),
  );
}

/** Numbers of half precision (IEEE 754 binary16). @param {Uint16Array} words */
function halves(words) {
  return Float32Array.from(words, (word) => {
    const sign = word & 0x8000 ? -1 : 1;
    const exponent = (word >> 10) & 31;
    const fraction = word & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
