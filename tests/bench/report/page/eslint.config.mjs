// The page's scripts are one script: what none of them uses, or what is used and not there, is a fault.
const browser = [
  'window', 'document', 'location', 'history', 'navigator', 'innerWidth', 'matchMedia', 'getComputedStyle', 'addEventListener',
  'setTimeout', 'clearTimeout', 'URL', 'URLSearchParams', 'Blob', 'Intl', 'IntersectionObserver', 'requestAnimationFrame',
];

export default [{
  files: ['**/*.js'],
  languageOptions: {
    ecmaVersion: 2022,
    sourceType: 'script',
    globals: Object.fromEntries(browser.map((name) => [name, 'readonly'])),
  },
  rules: {
    'array-callback-return': 'error',
    'consistent-return': 'error',
    eqeqeq: 'error',
    'max-len': ['error', { code: 120 }],
    'max-lines-per-function': ['error', { max: 45, skipComments: true }],
    'no-dupe-keys': 'error',
    'no-eval': 'error',
    'no-implied-eval': 'error',
    'no-redeclare': 'error',
    'no-shadow': 'error',
    'no-undef': 'error',
    'no-unreachable': 'error',
    'no-unused-vars': 'error',
    'no-use-before-define': ['error', { functions: false, variables: false }],
    'no-var': 'error',
    'prefer-const': 'error',
    strict: ['error', 'global'],
  },
}];
