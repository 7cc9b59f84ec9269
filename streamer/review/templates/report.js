"use strict";
// What the pointer or the arrow keys are at: a line through all lanes of a chart, and what each of them says there.
const data = JSON.parse(document.getElementById("data").textContent);

function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(tenths / 36000), minutes = Math.floor(tenths / 600) % 60, rest = tenths % 600;
  const tail = `${two(Math.floor(rest / 10))}.${rest % 10}`;
  return hours ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
}

for (const chart of document.querySelectorAll(".chart")) {
  const { width, lanes } = data[chart.id];
  const count = lanes[0].told.length;
  const plot = chart.querySelector(".plot");
  const readout = chart.querySelector(".readout");
  let at = -1;

  function show(column) {
    at = Math.max(0, Math.min(count - 1, column));
    chart.classList.add("pointed");
    chart.style.setProperty("--at", `${(100 * (at + 0.5)) / count}%`);
    const said = lanes.filter((lane) => lane.told[at]).map((lane) => `${lane.name} ${lane.told[at]}`);
    readout.textContent = `${clock(at * width)} to ${clock((at + 1) * width)}: ${said.join(" · ") || "nothing"}`;
  }

  function point(event) {
    const box = plot.getBoundingClientRect();
    if (event.clientX >= box.left && event.clientX <= box.right) {
      show(Math.floor(((event.clientX - box.left) / box.width) * count));
    }
  }

  chart.addEventListener("pointermove", point);
  chart.addEventListener("pointerdown", point);
  chart.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.round(count / 20));
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -count, End: count };
    if (event.key in steps && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      show((at < 0 ? 0 : at) + steps[event.key]);
    }
  });
}
