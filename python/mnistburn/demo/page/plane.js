"use strict";

/**
 * An area of a picture: its first column and row, and those behind its last ones.
 * @typedef {{left: number, top: number, right: number, bottom: number}} Area
 */

/** Grey values as real numbers, row by row. */
class Plane {
  /**
   * @param {number} width
   * @param {number} height
   * @param {Float32Array} [values] width times height; zeros unless given.
   */
  constructor(width, height, values = new Float32Array(width * height)) {
    this.width = width;
    this.height = height;
    this.values = values;
  }

  /** The longer side. */
  get longer() {
    return Math.max(this.width, this.height);
  }

  /** @param {(value: number, position: number) => number} change */
  map(change) {
    return new Plane(this.width, this.height, this.values.map(change));
  }

  /** @param {Area} area */
  crop({ left, top, right, bottom }) {
    const cropped = new Plane(right - left, bottom - top);
    for (let row = top; row < bottom; row++) {
      const first = row * this.width;
      const line = this.values.subarray(first + left, first + right);
      cropped.values.set(line, (row - top) * cropped.width);
    }
    return cropped;
  }

  transposed() {
    const turned = new Plane(this.height, this.width);
    for (let row = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column++) {
        turned.values[column * this.height + row] = this.values[row * this.width + column];
      }
    }
    return turned;
  }

  /**
   * Do the same to each row.
   * @param {number} width How long a row becomes.
   * @param {(row: Float32Array, result: Float32Array) => void} work
   */
  byRows(width, work) {
    const done = new Plane(width, this.height);
    for (let row = 0; row < this.height; row++) {
      const line = this.values.subarray(row * this.width, (row + 1) * this.width);
      work(line, done.values.subarray(row * width, (row + 1) * width));
    }
    return done;
  }

  /**
   * Do the same to each row and then to each column.
   * @param {(row: Float32Array, result: Float32Array) => void} work
   */
  byLines(work) {
    const rows = this.byRows(this.width, work).transposed();
    return rows.byRows(this.height, work).transposed();
  }

  /** The mean of a square around each value. @param {number} radius */
  blurred(radius) {
    return this.byLines((line, result) => {
      const sums = new Float64Array(line.length + 1);
      for (let place = 0; place < line.length; place++) {
        sums[place + 1] = sums[place] + line[place];
      }
      for (let place = 0; place < line.length; place++) {
        const first = Math.max(place - radius, 0);
        const end = Math.min(place + radius + 1, line.length);
        result[place] = (sums[end] - sums[first]) / (end - first);
      }
    });
  }

  /**
   * The largest value of a square around each value.
   * @param {number} radius
   */
  largest(radius) {
    return this.byLines((line, result) => {
      // Places whose values may still be the largest, these falling (Lemire, 2006).
      const places = new Int32Array(line.length);
      let [first, end] = [0, 0];
      for (let place = -radius; place < line.length; place++) {
        const next = place + radius;
        if (next < line.length) {
          while (end > first && line[places[end - 1]] <= line[next]) end--;
          places[end++] = next;
        }
        if (place < 0) continue;
        while (places[first] < place - radius) first++;
        result[place] = line[places[first]];
      }
    });
  }

  /** What is left without light parts narrower than a square. @param {number} radius */
  opened(radius) {
    const negative = (/** @type {number} */ value) => -value;
    return this.map(negative).largest(radius).map(negative).largest(radius);
  }

  /** The largest value of a disc around each; the least with a negative radius. @param {number} radius */
  grown(radius) {
    const choose = radius < 0 ? Math.min : Math.max;
    const reach = Math.floor(Math.abs(radius));
    const disc = [];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        if (x * x + y * y <= radius * radius) disc.push([x, y]);
      }
    }
    return this.map((value, position) => {
      const [column, row] = [position % this.width, Math.floor(position / this.width)];
      return disc.reduce((found, [x, y]) => choose(found, this.at(column + x, row + y)), value);
    });
  }

  /** The value at a position, 0 beyond the border. @param {number} x @param {number} y */
  at(x, y) {
    const inside = x >= 0 && y >= 0 && x < this.width && y < this.height;
    return inside ? this.values[y * this.width + x] : 0;
  }

  /**
   * The picture in another size, by a triangle filter as wide as what falls together.
   * @param {number} width
   * @param {number} height
   */
  resized(width, height) {
    if (width === this.width && height === this.height) return this;
    const rows = this.byRows(width, resizeLine).transposed();
    return rows.byRows(height, resizeLine).transposed();
  }

  /** The area of the values above a least one; null where there is none. @param {number} least */
  bounds(least) {
    let [left, top, right, bottom] = [this.width, this.height, 0, 0];
    this.values.forEach((value, position) => {
      if (value <= least) return;
      const [column, row] = [position % this.width, Math.floor(position / this.width)];
      left = Math.min(left, column);
      right = Math.max(right, column + 1);
      top = Math.min(top, row);
      bottom = Math.max(bottom, row + 1);
    });
    return right > 0 ? { left, top, right, bottom } : null;
  }
}

/**
 * Resize a line by a triangle filter.
 * @param {Float32Array} line
 * @param {Float32Array} result
 */
function resizeLine(line, result) {
  const scale = line.length / result.length;
  const reach = Math.max(scale, 1);
  for (let place = 0; place < result.length; place++) {
    // Where the middle of the new value lies between the middles of the old ones.
    const middle = (place + 0.5) * scale - 0.5;
    const first = Math.max(Math.ceil(middle - reach), 0);
    const last = Math.min(Math.floor(middle + reach), line.length - 1);
    let [sum, weights] = [0, 0];
    for (let near = first; near <= last; near++) {
      const weight = Math.max(1 - Math.abs(near - middle) / reach, 0);
      sum += weight * line[near];
      weights += weight;
    }
    result[place] = sum / weights;
  }
}
