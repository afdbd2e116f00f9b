"use strict";

/** The longer side of a picture that goes to the network's preparation, at most. */
const LARGEST_PICTURE = 1024;

/**
 * Let someone take a picture.
 * @param {HTMLDialogElement} dialog It holds a video and two buttons.
 * @returns {Promise<?ImageData>} The picture; null where none was taken.
 */
async function takePicture(dialog) {
  if (!navigator.mediaDevices) throw new Error("this browser gives no camera to this page");
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const video = dialog.querySelector("video");
  const shoot = dialog.querySelector("#shoot");
  try {
    const taken = new Promise((resolve) => {
      shoot.onclick = () => resolve(pixelsOf(video, video.videoWidth, video.videoHeight));
      dialog.querySelector("#leave").onclick = () => resolve(null);
      dialog.onclose = () => resolve(null);
    });
    shoot.disabled = true;
    video.srcObject = stream;
    dialog.showModal();
    // A camera that does not start can be left.
    const started = video.play().then(() => {
      shoot.disabled = false;
      return taken;
    });
    return await Promise.race([taken, started]);
  } finally {
    dialog.close();
    video.srcObject = null;
    for (const track of stream.getTracks()) track.stop();
  }
}

/**
 * Read a picture from a file, upright.
 * @param {Blob} file
 * @returns {Promise<ImageData>}
 */
async function readPicture(file) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  try {
    return pixelsOf(picture, picture.width, picture.height);
  } finally {
    picture.close();
  }
}

/**
 * The pixels of a picture, made smaller where it is large.
 * @param {CanvasImageSource} source
 * @param {number} width
 * @param {number} height
 * @returns {ImageData}
 */
function pixelsOf(source, width, height) {
  const scale = Math.min(1, LARGEST_PICTURE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(Math.round(width * scale), 1);
  canvas.height = Math.max(Math.round(height * scale), 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
