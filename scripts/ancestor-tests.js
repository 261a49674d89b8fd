/**
 * Writes docs/ancestor-tests.md: which test shows that a behaviour of the ancestor, django-ztask, was kept, or that a
 * fault of it was mended. A test belongs to an id where its title begins with it: 'B2: …', or 'K10, B21: …'.
 *
 * @example node scripts/ancestor-tests.js          // writes it
 * @example node scripts/ancestor-tests.js --check  // writes nothing; exits 1 where it is stale
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'

const FILE = 'docs/ancestor-tests.md'

const KEPT = {
  K1: 'A task is a function of any module; called, it runs here; only its calls by the client go to the daemon',
  K2: 'A name is enough for a worker to load a function, and it stays loaded',
  K3: 'A delay comes first, in seconds; all other arguments pass through',
  K4: 'One bound socket, tcp://127.0.0.1:5555 by default, for any number of producers, in any starting order',
  K5: 'Stored before it runs',
  K6: 'Success deletes the row',
  K7: 'A failure costs a retry and keeps its error; 5 retries, 5 seconds apart, so 6 runs',
  K8: 'What has no retry left stays, as the list of failed jobs',
  K9: 'A start replays in order what has runs left; --replayfailed adds the failed',
  K10: 'alwaysEager runs at once in the caller, disabled only logs, and wins',
  K11: 'Where no daemon can be reached, a call may run in the caller',
  K12: 'In development a change of the code reloads the workers; --noreload for production',
  K13: 'onLoad runs at each start and reload, before any job',
  K14: 'A log to stdout or a file, at six levels; registered, called and succeeded with the id of the job',
  K15: 'Settings for the address, the modes, the retries and what runs at the start',
  K16: 'Pass ids, not objects',
  K17: 'What a row holds; numbered migrations, of which one can be marked as applied',
}

const MENDED = {
  B1: 'After a restart every timer ran the last row',
  B2: 'Calls were not acknowledged: a killed daemon lost them, and without one they blocked for ever',
  B3: 'A daemon that cannot be reached was not noticed',
  B4: 'A failed insert lost the job in silence',
  B5: 'One long task stopped receiving, storing and timers',
  B6: 'Pickles over an open port and in the table: anybody could run code',
  B7: 'Neither name nor types were checked at the call',
  B8: 'A wrong delay dropped the job in silence',
  B9: "Eager mode swallowed the task's exception",
  B10: 'No id, no status, no cancel',
  B11: 'Finished work ran again where its row could not be deleted',
  B12: 'A crash cost no attempt, so a poisonous job crashed for ever',
  B13: 'The last attempt was not replayed after a restart',
  B14: 'A retry whose row could not be saved was repeated without end',
  B15: 'Two daemons on one database ran everything twice',
  B16: 'A reload cut what ran, and saw imported modules only',
  B17: 'No time limit, and no end in good order',
  B18: 'One pause between retries for all tasks',
  B19: 'Failed was set on every failure, and the stack was not kept',
  B20: 'Control messages rode the queue as a task',
  B21: 'Disabled and no daemon: nothing was logged, and the process might not end',
  B22: 'A socket a task, opened by the import',
  B23: 'A documented log level crashed, stdout was stderr, and no log could be rotated',
  B24: 'No index, and times in two units',
  B25: 'A suspend or a stepped clock shifted every delay',
}

/** The first argument of a call, where it is a title with ids; what follows it is the test's function. */
const TITLED = /\(\s*(['"`])((?:[KB]\d+, )*[KB]\d+): ((?:\\.|(?!\1)[^\\])+)\1,\s*(?:async )?\(/g

/** @returns every test of an id, by id */
const findTests = () => {
  const found = new Map([...Object.keys(KEPT), ...Object.keys(MENDED)].map((id) => [id, []]))
  for (const file of globSync('test/**/*.test.ts').sort())
    for (const [, , ids, title] of readFileSync(file, 'utf8').matchAll(TITLED))
      for (const id of ids.split(', ')) {
        const tests = found.get(id)
        if (tests === undefined) throw new Error(`${file}: the ancestor has no ${id} ('${title}')`)
        tests.push({ file, title: title.replaceAll(/\\(.)/g, '$1').replaceAll(/%[sj]/g, '…') })
      }
  return found
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

const table = (meanings, head, tests) => [
  `| id | ${head} | shown by |`,
  '|---|---|---|',
  ...Object.entries(meanings).map(([id, meaning]) => {
    const shown = tests.get(id).map(({ file, title }) => `[${file.slice(5)}](../${file}): ${cell(title)}`)
    return `| ${id} | ${cell(meaning)} | ${shown.join('<br>') || 'not yet (a later issue)'} |`
  }),
]

const render = (tests) =>
  [
    '# What was kept of the ancestor, and what was mended',
    '',
    'Written by `node scripts/ancestor-tests.js` from the titles of the tests; do not edit it.',
    '',
    '## Kept',
    '',
    ...table(KEPT, 'behaviour of django-ztask', tests),
    '',
    '## Mended',
    '',
    ...table(MENDED, 'fault of django-ztask', tests),
    '',
  ].join('\n')

process.chdir(new URL('..', import.meta.url).pathname)
const text = render(findTests())
const written = globSync(FILE).length > 0 ? readFileSync(FILE, 'utf8') : ''
if (text === written) console.log(`${FILE} is up to date`)
else if (process.argv.includes('--check')) {
  console.error(`${FILE} is stale: run node scripts/ancestor-tests.js and commit the result.`)
  process.exitCode = 1
} else {
  writeFileSync(FILE, text)
  console.log(`wrote ${FILE}`)
}
