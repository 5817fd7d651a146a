// What is looked at: one object, kept in the address, so that a link shows what was seen.

/** The fields by name: their initial value, and whether another makes sense (of a list: whether an item does). */
const STATE_FIELDS = {};

const textField = (initial, valid = () => true) => ({ initial, valid, list: false });
const listField = (valid = () => true) => ({ initial: [], valid, list: true });
const oneOf =
  (...values) =>
  (value) =>
    values.includes(value);

let state = {};

/** Read the state from the address. What makes no sense there was typed or cut by somebody, and is dropped from it. */
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  state = {};
  for (const [name, field] of Object.entries(STATE_FIELDS)) {
    const values = asked.getAll(name).filter((value) => field.valid(value));
    if (field.list) state[name] = [...new Set(values)];
    else state[name] = values.length ? values[0] : field.initial;
  }
  if (!byId(location.hash.slice(1))) writeAddress(); // what leads to a place of the page is no state
}

/** The state as the part of an address after '#': what differs from the initial values. */
function addressOf(values) {
  const query = new URLSearchParams();
  for (const [name, field] of Object.entries(STATE_FIELDS)) {
    if (field.list) values[name].forEach((item) => query.append(name, item));
    else if (values[name] !== field.initial) query.set(name, values[name]);
  }
  return query.toString();
}

/** Set some fields, write the address and draw the page anew. */
function change(part) {
  state = { ...state, ...part };
  writeAddress();
  drawAll();
}

function writeAddress() {
  const query = addressOf(state);
  if (location.hash.slice(1) === query) return;
  history.replaceState(null, '', query ? `#${query}` : location.pathname + location.search);
}

/** The list with the item, or without it if it was there. */
const toggled = (list, item) => (list.includes(item) ? list.filter((one) => one !== item) : [...list, item]);
