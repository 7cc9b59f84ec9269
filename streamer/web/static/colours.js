// A colour and a dash for each label, so that lines differ for those who don't tell the colours apart.

const DASHES = [[], [8, 3], [2, 3], [], [10, 3, 2, 3], [5, 3], [1, 4]];

const dark = window.matchMedia("(prefers-color-scheme: dark)");
let colours = [];

/** Takes the session's colours: a pair for each label, on a light ground and on a dark one. */
export function useColours(pairs) {
  colours = pairs;
}

/** Colour of the label with this index. */
export function colourOf(index) {
  return colours[index][dark.matches ? 1 : 0];
}

export function dashOf(index) {
  return DASHES[index % DASHES.length];
}

/** A colour of the style sheet, by its name there. */
export function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function onThemeChange(callback, signal) {
  dark.addEventListener("change", callback, { signal });
}
