// Pictures that stand in the page as texts: each is decoded when it comes near the screen, or before printing.

const NEAR = '400px';

/** A picture of a text in base64, or a grey tile where there is none as it could not be read. */
function picture(base64, text, attributes) {
  if (base64 === null) return greyTile('can’t be read', `${text}; its picture can’t be read`, attributes);
  const image = el('img', { ...attributes, alt: text, width: 72, height: 72 });
  sources.set(image, base64);
  nearScreen.observe(image);
  return image;
}

function greyTile(words, text, { class: name, ...others }) {
  return el('span', { ...others, class: name ? `grey ${name}` : 'grey', role: 'img', 'aria-label': text }, words);
}

const sources = new WeakMap();

const nearScreen = new IntersectionObserver(
  (seen) => {
    seen.filter((one) => one.isIntersecting).forEach((one) => loadPicture(one.target));
  },
  { rootMargin: NEAR },
);

function loadPicture(image) {
  nearScreen.unobserve(image);
  if (!image.src) image.src = `data:image/jpeg;base64,${sources.get(image)}`;
}

addEventListener('beforeprint', () => document.querySelectorAll('.query img').forEach(loadPicture));
