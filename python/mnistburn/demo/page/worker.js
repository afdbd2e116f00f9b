"use strict";

// What the page asks of its worker. The files of the network stand before this one.

/** What is done for the page, by name. */
const TASKS = {
  load(about, parameters) {
    TASKS.network = new Network(about, readParameters(about, parameters));
  },

  image(picture) {
    const { image, preprocessing } = TASKS.network.about;
    return imageOf(picture, image, preprocessing);
  },

  logits(images) {
    return images.map((image) => TASKS.network.logits(image));
  },

  activations(image) {
    const { layers } = TASKS.network.about;
    return TASKS.network
      .outputs(image)
      .map((output, place) => ({ title: layers[place].title, ...output }))
      .filter(({ title }) => title !== undefined);
  },
};

onmessage = ({ data: { id, task, values } }) => {
  try {
    postMessage({ id, answer: TASKS[task](...values) });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
