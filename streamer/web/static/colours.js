// A colour and a dash for each label, so that lines differ for those who don't tell the colours apart.

const LIGHT = {
  anger: "#b3261e", disgust: "#4d6b12", fear: "#6a3cb0", joy: "#9a6a00",
  sadness: "#155a94", surprise: "#b01760", neutral: "#55616d",
};
const DARK = {
  anger: "#ff8478", disgust: "#a9cf5b", fear: "#bda4ff", joy: "#ffd166",
  sadness: "#74bcff", surprise: "#ff93c6", neutral: "#b4bfca",
};
const DASHES = [[], [8, 3], [2, 3], [], [10, 3, 2, 3], [5, 3], [1, 4]];

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** Colour of the label with this index; labels of other names take the colours in turn. */
export function colourOf(label, index) {
  const palette = dark.matches ? DARK : LIGHT;
  return palette[label] ?? Object.values(palette)[index % Object.keys(palette).length];
}

export function dashOf(index) {
  return DASHES[index % DASHES.length];
}

/** A colour of the style sheet, by its name there. */
export function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function onThemeChange(callback) {
  dark.addEventListener("change", callback);
}
