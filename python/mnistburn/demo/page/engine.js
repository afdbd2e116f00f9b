"use strict";

/** What computes for the page: a worker, and the server where there is one. */
class Engine {
  /**
   * @param {object} about The description of the model.
   * @param {Worker} worker
   */
  constructor(about, worker) {
    this.about = about;
    this.worker = worker;
    /** @type {Map<number, {resolve: Function, reject: Function}>} */
    this.asked = new Map();
    worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.asked.get(data.id);
      this.asked.delete(data.id);
      if ("error" in data) reject(new Error(data.error));
      else resolve(data.answer);
    };
    worker.onerror = (event) => {
      for (const { reject } of this.asked.values()) reject(new Error(event.message));
      this.asked.clear();
    };
  }

  /** Find the model: in the page, or with its server. @returns {Promise<Engine>} */
  static async start() {
    const inside = document.getElementById("about");
    if (inside === null) {
      const about = await (await answerOf("about.json")).json();
      const engine = new ServerEngine(about, new Worker("worker.js"));
      await engine.load(await (await answerOf("parameters")).arrayBuffer());
      return engine;
    }
    const script = new Blob([document.getElementById("worker").textContent], { type: "text/javascript" });
    const engine = new Engine(JSON.parse(inside.textContent), new Worker(URL.createObjectURL(script)));
    await engine.load(fromBase64(document.getElementById("parameters").textContent).buffer);
    return engine;
  }

  /** @param {string} task @param {...unknown} values */
  ask(task, ...values) {
    const id = (this.next = (this.next ?? 0) + 1);
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, values });
    });
  }

  /** Give the worker the parameters. @param {ArrayBuffer} parameters */
  load(parameters) {
    return this.ask("load", this.about, parameters);
  }

  /** Make a picture an image of the network. @param {ImageData} picture @returns {Promise<Uint8Array>} */
  image(picture) {
    return this.ask("image", picture);
  }

  /** The logits of each of several images. @param {Uint8Array[]} images @returns {Promise<Float32Array[]>} */
  logits(images) {
    return this.ask("logits", images);
  }

  /**
   * What leaves the layers that have a title.
   * @param {Uint8Array} image
   * @returns {Promise<object[]>}
   */
  activations(image) {
    return this.ask("activations", image);
  }
}

/** Pictures and logits by the server: the package's own code. */
class ServerEngine extends Engine {
  async image({ data, width, height }) {
    const body = new Blob([data]);
    const answer = await answerOf(`image?width=${width}&height=${height}`, { method: "POST", body });
    return new Uint8Array(await answer.arrayBuffer());
  }

  async logits(images) {
    const answer = await answerOf("logits", { method: "POST", body: new Blob(images) });
    const all = new Float32Array(await answer.arrayBuffer());
    const length = all.length / images.length;
    return images.map((_, place) => all.subarray(place * length, (place + 1) * length));
  }
}

/** @param {string} path @param {RequestInit} [request] */
async function answerOf(path, request) {
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Error("the server is gone; start `mnistburn demo` again, then reload this page");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

/** @param {string} text @returns {Uint8Array} */
function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The probabilities that logits stand for. @param {Float32Array} logits @returns {number[]} */
function softmax(logits) {
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (value) => Math.exp(value - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}
