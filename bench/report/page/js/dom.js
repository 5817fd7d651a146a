// Elements, numbers and texts: what every part of the page is made of.

const byId = (id) => document.getElementById(id);

/**
 * An element. Attributes that are null, undefined or false are left out; `onclick` and the like are functions; `style`
 * is a table of properties. Children are elements or texts, and a text is never read as HTML.
 */
const el = (tag, attributes, ...children) => filledWith(document.createElement(tag), attributes, children);

/** The like in a drawing. */
const svg = (tag, attributes, ...children) =>
  filledWith(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

function filledWith(node, attributes = {}, children = []) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.entries(value).forEach(([key, one]) => node.style.setProperty(key, one));
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** The values that there are, each once, in the order in which they come first. */
const distinct = (values) =>
  [...new Set(values)].filter((value) => value !== undefined && value !== null && value !== '');

const GIBIBYTE = 2 ** 30; // memory of machines is in GiB, what an index takes of it in MB

const isNumber = (x) => typeof x === 'number' && Number.isFinite(x);

const threeDigits = new Intl.NumberFormat('en', { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
const wholeNumber = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A measured quantity with three significant digits; '' where there is none. */
function number(x) {
  if (!isNumber(x)) return '';
  if (x === 0) return '0';
  return Math.abs(x) >= 100 ? wholeNumber.format(Number(x.toPrecision(3))) : threeDigits.format(x);
}

const VAGUE = 10; // the interval of a time whose upper end is more than so many times its lower end says nothing
const TOO_FEW = 'too few replicates';
const isVague = (low, high) => high > VAGUE * low;

/** The interval of a time in words; '' where there is none. */
function intervalWords(low, high) {
  if (!isNumber(low) || !isNumber(high) || !(low < high)) return '';
  return isVague(low, high) ? TOO_FEW : `${number(low)}–${number(high)}`;
}

/** A count, with its thousands apart. */
const count = (x) => (isNumber(x) ? wholeNumber.format(x) : '');

/** A quality, rounded down, so that none on the page promises more than was measured. */
const share = (x) => (isNumber(x) ? (Math.floor(x * 1000 + 1e-6) / 1000).toFixed(3) : '');

/** A published quality with the digits that a paper prints, hundredths of a percent. */
const asPublished = (x) => (isNumber(x) ? x.toFixed(4).replace(/0$/, '') : '');

/** A spread, which nothing rounds down. */
const printed = (x) => (isNumber(x) ? x.toFixed(3) : '');

/** A difference with its sign. */
function difference(x) {
  if (!isNumber(x)) return '';
  const text = Math.abs(x).toFixed(3);
  if (Number(text) === 0) return '0.000';
  return `${x < 0 ? '−' : '+'}${text}`;
}

/** A text in which no line is broken within a short setting, as "L = 16". */
const unbroken = (text) => String(text).replace(/\b(\w{1,16}) = (\S{1,12})(?!\S)/g, '$1\u00a0=\u00a0$2');

const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A text that plotly shows as it is: plotly reads tags and entities in its texts. */
const plotText = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

/** A colour of the style sheet, as it stands in light or dark. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
