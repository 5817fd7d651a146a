// The gallery: queries with their nearest by some methods, right and wrong framed. Its pictures are in pictures.js.

const CHOICES = {
  differ: 'where they differ most',
  worst: 'where they fail most',
  best: 'where they do best',
  random: 'drawn at random',
};
const FRAMES = { true: ['right', '✓'], false: ['wrong', '✗'] };
const RIGHT = { label: 'an item of the query’s class', exact: 'one of the exact nearest' };

Object.assign(STATE_FIELDS, {
  gallery: textField('', (value) => Object.hasOwn(CHOICES, value)),
  beside: listField((value) => /^[0-3]$/.test(value)),
});

let galleryShown = null; // what the pictures on the page are of: they are not made anew where nothing of it changed

function drawGallery() {
  const part = partOfSet('gallery');
  if (!part) return false;
  byId('gallery-shown').hidden = !part.choices;
  byId('gallery-note').textContent = sentences(
    part.choices && galleryText(part),
    missingText(part.missing, 'search', 'searches'),
  );
  if (!part.choices) return part.missing.length > 0;
  const choice = part.choices.find(({ id }) => id === state.gallery) || part.choices[0];
  const places = part.keys.map((_, at) => String(at));
  const beside = state.beside.filter((at) => places.includes(at));
  const methods = places.filter((at) => isOfChosen(beside, places, at)).map(Number);
  drawRadios(
    'gallery-choice',
    part.choices.map(({ id }) => [id, CHOICES[id]]),
    choice.id,
    (value) => change({ gallery: value }),
  );
  drawToggles(
    'gallery-methods',
    places.map((at) => [at, searchName(rowOfKey(part.keys[at]))]),
    beside,
    (value) => change({ beside: value }),
  );
  fillGallery(part, choice, methods);
  return true;
}

function fillGallery(part, choice, methods) {
  const wanted = [currentSet().id, choice.id, methods.join(',')].join('\n');
  if (wanted === galleryShown) return;
  galleryShown = wanted;
  byId('gallery').replaceChildren(...choice.queries.map((query, at) => queryGroup(part, query, at, methods)));
  byId('gallery').querySelector('.tile')?.setAttribute('tabindex', '0');
}

/** A method with its features, where the data set has several, and its setting. */
function searchName(row) {
  const { features: all } = currentSet();
  const own = all.find(({ id }) => id === row.features);
  const over = all.length > 1 && own && own.name ? ` over ${own.name}` : '';
  return [`${methodOf(row).name}${over}`, row.setting].filter(Boolean).join(', ');
}

function galleryText({ k, shown, judged_by: judge }) {
  return sentences(
    `The ${count(shown)} nearest that each search found${shown < k ? ` of the ${count(k)} it was asked for` : ''}.`,
    judge && `A solid green frame with a tick is ${RIGHT[judge]}; a dashed red one with a cross is not.`,
    'Arrow keys move between pictures.',
    `The pictures are those of the data set ${currentSet().name}: its terms hold for them.`,
  );
}

const labelOf = (part, item) => (part.labels ? part.labels[item] : '');

/** A query, and in a line for each method what it found. */
function queryGroup(part, query, at, methods) {
  const label = labelOf(part, query.item);
  const name = `Query ${at + 1}${label ? `, ${label}` : ''}`;
  const says = el('p', { class: 'says', 'aria-hidden': 'true' });
  const lines = methods.map((method) => {
    const search = searchName(rowOfKey(part.keys[method]));
    return foundLine(part, query.found[method], search, says);
  });
  return el(
    'div',
    { class: 'query', role: 'group', 'aria-label': name, 'data-query': part.items[query.item][1] },
    el(
      'figure',
      {},
      picture(part.images[query.item], name, {}),
      el('figcaption', {}, label || `query ${count(part.items[query.item][1])}`),
    ),
    el('div', {}, ...lines, says),
  );
}

function foundLine(part, found, search, says) {
  const right = found.filter((one) => one && one[1]).length;
  const judged = part.judged_by ? `${right} of ${found.length}` : '';
  return el(
    'div',
    {
      class: 'found',
      role: 'group',
      'aria-label': judged ? `${search}: ${judged}` : search,
      style: { '--shown': found.length },
    },
    el('span', { 'aria-hidden': 'true' }, unbroken(search), judged ? ': ' : '', el('b', {}, judged)),
    ...found.map((one, at) => tile(part, one, `Number ${at + 1} of ${search}`, says)),
  );
}

/** A neighbour in its frame. It says what it is when it gets the focus, and to the pointer. */
function tile(part, found, place, says) {
  const [item, isRight] = found || [null, null];
  const [frame, mark] = FRAMES[isRight] || [null, null];
  const what = found ? [labelOf(part, item), `item ${part.items[item][1]}`, frame] : ['nothing was found'];
  const text = `${place}: ${what.filter(Boolean).join(', ')}`;
  const attributes = {
    class: 'tile',
    tabindex: '-1',
    onfocus: () => {
      says.textContent = text;
    },
    onblur: () => {
      says.textContent = '';
    },
    onclick: (event) => event.currentTarget.focus(),
  };
  return el(
    'figure',
    { class: frame, title: text, 'data-mark': mark, 'data-item': found && part.items[item][1] },
    found ? picture(part.images[item], text, attributes) : greyTile('nothing found', text, attributes),
  );
}

/** Where an arrow key leads: to the next tile, or to that of the same place in another line. */
function moveInGallery(event) {
  const tiles = [...byId('gallery').querySelectorAll('.tile')];
  const at = tiles.indexOf(document.activeElement);
  if (at < 0) return;
  const width = document.activeElement.closest('.found').querySelectorAll('.tile').length;
  const home = at - (at % width);
  const places = {
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    ArrowDown: at + width,
    ArrowUp: at - width,
    Home: home,
    End: home + width - 1,
  };
  const target = tiles[places[event.key]];
  if (!target) return;
  event.preventDefault();
  target.focus();
}

/** The tile that has the focus is the gallery's only stop of the Tab key. */
function keepTabStop({ target }) {
  if (!target.matches('.tile')) return;
  byId('gallery')
    .querySelectorAll('.tile[tabindex="0"]')
    .forEach((one) => one.setAttribute('tabindex', '-1'));
  target.setAttribute('tabindex', '0');
}

byId('gallery').addEventListener('keydown', moveInGallery);
byId('gallery').addEventListener('focusin', keepTabStop);

addPanel({ id: 'gallery', draw: drawGallery });
