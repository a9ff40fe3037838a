// Texts that are too close in colour to what is behind them, after the definition of contrast in WCAG 2.2.
const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
const luminance = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
const parse = text => {
  const n = (text.match(/[\d.]+/g) || []).map(Number);
  return n.length < 3 ? [0, 0, 0, 0] : [n[0], n[1], n[2], n.length > 3 ? n[3] : 1];
};
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const dark = matchMedia('(prefers-color-scheme: dark)').matches;
const canvas = dark && /dark/.test(getComputedStyle(document.documentElement).colorScheme) ? [18, 18, 18, 1] : [255, 255, 255, 1];
const behind = element => {
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, layer) => over(layer, below), canvas);
};
const faults = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || /^(SCRIPT|STYLE|NOSCRIPT|OPTION)$/.test(element.tagName)) continue;
  if (element.checkVisibility && !element.checkVisibility()) continue;
  if (element.closest(':disabled')) continue;
  const style = getComputedStyle(element);
  const below = behind(element);
  const one = luminance(over(parse(style.color), below)), two = luminance(below);
  const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
  const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
  if (ratio < least) faults.push(ratio.toFixed(2) + ':1 ' + style.color + ' on ' + below.map(Math.round) + ': ' + walker.currentNode.data.trim().slice(0, 60));
}
return faults;
