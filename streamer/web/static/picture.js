// The camera's picture, with the face and the eyes marked.

export class Picture {
  constructor(element) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
  }

  /** Draws a JPEG and what was seen in it; resolves once it is on the canvas. */
  async draw(about, blob) {
    const image = await createImageBitmap(blob);
    const { canvas, context } = this;
    if (canvas.width !== image.width || canvas.height !== image.height) {
      canvas.width = image.width;
      canvas.height = image.height;
      this.element.style.aspectRatio = `${image.width} / ${image.height}`;
    }
    context.drawImage(image, 0, 0);
    this.element.classList.add("has");
    if (about.face) this.#mark(about, image.width / about.size[0]);
    image.close();
    const label = about.face ? "The camera's picture, with a face marked" : "The camera's picture, without a face";
    if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  }

  clear() {
    this.element.classList.remove("has");
  }

  #mark({ face, eyes }, scale) {
    const { context } = this;
    const [x, y, width, height] = face.map((v) => v * scale);
    for (const [colour, thickness] of [["#000a", 5], ["#6fe3a1", 2.5]]) { // dark behind bright: seen on any picture
      context.strokeStyle = colour;
      context.lineWidth = thickness;
      context.beginPath();
      context.roundRect(x, y, width, height, 8);
      for (const [ex, ey] of eyes ?? []) {
        const radius = 0.045 * width;
        context.moveTo(ex * scale + radius, ey * scale);
        context.arc(ex * scale, ey * scale, radius, 0, 2 * Math.PI);
      }
      context.stroke();
    }
  }
}
