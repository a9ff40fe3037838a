// Where the focus is, whether it is seen there, and whether it has been there before.
const element = document.activeElement;
if (!element || element === document.body || element === document.documentElement) return {name: null};
const style = getComputedStyle(element);
const box = element.getBoundingClientRect();
const again = element.hasAttribute('data-walk-focus');
element.setAttribute('data-walk-focus', '');
const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
const there = box.width > 0 && box.height > 0 && box.right > 0 && box.bottom > 0;
return {name: element.outerHTML.slice(0, 160), seen: outlined && there, again: again};
