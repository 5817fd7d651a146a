// Light or dark, and the link to what is seen.

STATE_FIELDS.theme = textField('', oneOf('light', 'dark'));

const darkSystem = matchMedia('(prefers-color-scheme: dark)');
let isPrinting = false;

/** Whether the page is dark: as chosen, or else as the reader's system is. Paper is always light. */
function isDark() {
  if (isPrinting) return false;
  return state.theme ? state.theme === 'dark' : darkSystem.matches;
}

function drawTheme() {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
  byId('theme').textContent = isDark() ? 'Light' : 'Dark';
}

/** Say for two seconds what came of pressing a button, on the button itself. */
function answerOn(button, text) {
  const before = button.dataset.text || button.textContent;
  button.dataset.text = before;
  button.textContent = text;
  setTimeout(() => {
    button.textContent = before;
  }, 2000);
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    answerOn(byId('copy'), 'Copied');
  } catch {
    answerOn(byId('copy'), 'Copy the address above');
  }
}

function wireTheme() {
  byId('theme').addEventListener('click', () => change({ theme: isDark() ? 'light' : 'dark' }));
  byId('copy').addEventListener('click', copyLink);
  darkSystem.addEventListener('change', () => drawAll());
  addEventListener('beforeprint', () => {
    isPrinting = true;
    drawAll();
  });
  addEventListener('afterprint', () => {
    isPrinting = false;
    drawAll();
  });
}
