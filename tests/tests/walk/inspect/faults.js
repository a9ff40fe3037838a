// What a page lacks for readers who do not see it as it is drawn: a list of sentences.
const faults = [];
const say = (element, what) => faults.push(what + ': ' + element.outerHTML.slice(0, 160));
const shown = element => element.checkVisibility ? element.checkVisibility() : true;
const all = selector => [...document.querySelectorAll(selector)];
const text = element => (element.textContent || '').trim();

if (!document.documentElement.lang) faults.push('the page says no language');
if (!document.title.trim()) faults.push('the page has no title');
if (all('h1').length !== 1) faults.push('first headings: ' + all('h1').length);
if (all('main').length !== 1) faults.push('<main> landmarks: ' + all('main').length);
let level = 0;
for (const heading of all('h1,h2,h3,h4,h5,h6').filter(shown)) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) say(heading, 'a heading skips a level');
  level = own;
}
for (const element of all('[tabindex]')) if (element.tabIndex > 0) say(element, 'a tab order of its own');
for (const field of all('input:not([type=hidden]),select,textarea')) {
  const label = [...(field.labels || [])].some(text) || field.getAttribute('aria-label');
  if (!label) say(field, 'a field without a label');
}
for (const element of all('a[href],button')) {
  if (!text(element) && !element.getAttribute('aria-label')) say(element, 'a link or button without a name');
}
for (const image of all('img')) if (!image.hasAttribute('alt')) say(image, 'a picture without a text');
for (const name of ['aria-describedby', 'aria-labelledby']) {
  for (const element of all('[' + name + ']')) {
    for (const id of element.getAttribute(name).split(/\s+/)) {
      if (!document.getElementById(id)) say(element, name + ' names what is not there');
    }
  }
}
const ids = new Set();
for (const element of all('[id]')) {
  if (ids.has(element.id)) say(element, 'an id that is there twice');
  ids.add(element.id);
}
const viewport = document.querySelector('meta[name=viewport]');
if (!viewport || /user-scalable\s*=\s*no|maximum-scale/.test(viewport.content)) faults.push('the page cannot be enlarged');
return faults;
