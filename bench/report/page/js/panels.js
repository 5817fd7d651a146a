// The parts of the page: each draws itself from the state.

const PANELS = [];

/**
 * Add a part. `draw` is called at each change of what is seen, and says whether there is something to show; where there
 * is nothing, its section (`ID-section`) is hidden.
 */
function addPanel({ id, draw }) {
  PANELS.push({ id, draw });
}

function drawPanels() {
  for (const { id, draw } of PANELS) {
    const section = byId(`${id}-section`);
    section.hidden = false; // a chart is drawn only where it can be seen
    section.hidden = !draw();
  }
}

/** Say on paper, where the button ID is not, that it holds back so many rows of all. */
function sayCut(id, left, all) {
  byId(id).parentElement.dataset.cut = left ? `${count(left)} of ${count(all)} are on the page alone.` : '';
}

/** Fill a group of radio buttons. Options are [value, name]; a group without a choice is hidden. */
function drawRadios(id, options, current, choose) {
  const group = byId(id);
  group.hidden = options.length < 2;
  group.replaceChildren(
    group.querySelector('legend'),
    ...options.map(([value, name]) =>
      el(
        'label',
        {},
        el('input', {
          type: 'radio',
          name: id,
          value,
          id: `${id}-${value}`,
          checked: value === current,
          onchange: () => choose(value),
        }),
        name,
      ),
    ),
  );
}

/** Fill a group of buttons of which some may be pressed, or else the first, which stands for all. */
function drawToggles(id, options, pressed, choose) {
  const group = byId(id);
  group.hidden = options.length < 2;
  const button = (value, name, isPressed, next) =>
    el(
      'button',
      { type: 'button', id: `${id}-${value}`, 'aria-pressed': String(isPressed), onclick: () => choose(next) },
      name,
    );
  group.replaceChildren(
    group.querySelector('legend'),
    button('', 'all', pressed.length === 0, []),
    ...options.map(([value, name]) => button(value, name, pressed.includes(value), toggled(pressed, value))),
  );
}
