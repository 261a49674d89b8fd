/**
 * Who may import whom: one rule for each row of the table in CONTRIBUTING.md, the reason beside it. Run by
 * `npm run check:imports`. Imports go down; imports of types count as well.
 */

/** Everything of ours; a rule names what it allows of it. */
const OURS = '^(src|codegen|migrations)/'

/** A module of npm or Node, installed or not. */
const packages = (...names) => `(^|/)(${names.join('|')})(/|$)`

const may = (name, from, allowed, comment, fromNot) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, ...(fromNot === undefined ? {} : { pathNot: fromNot }) },
  to: { path: OURS, pathNot: allowed },
})

const only = (name, allowed, what, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: OURS, pathNot: allowed },
  to: { path: packages(...what) },
})

const MODEL = '^src/model/'
const CLOCK = '^src/clock\\.ts$'
const CONFIG =
  '^src/(config|config-module|config-anew|config-reader|module-file|file-time|settings|registry-file)\\.ts$'
const LOG = '^src/log\\.ts$'
const WIRE = '^src/wire/'
const WORKER = '^src/worker/'
const CLIENT = '^src/client/'
const STORE = '^src/store/'
const STORE_INTERFACE = '^src/store/store\\.ts$'
const DAEMON = '^src/daemon/'
const RING = '^src/daemon/(daemon|ring|code)\\.ts$'
const MIGRATIONS = '^migrations/'
const CODEGEN = '^codegen/'
const DASHBOARD = '^src/dashboard/'
const TESTING = '^src/testing/'
const CLI = '^src/cli/'
const INDEX = '^src/index\\.ts$'

const ROWS = [
  may(
    'model-imports-nothing',
    [MODEL],
    [MODEL],
    'The nouns and rules of the product are pure: what they mean must not depend on how they are stored or sent.',
  ),
  may('clock-imports-nothing', [CLOCK], [], 'The clock is handed to everybody, so it knows nobody.'),
  may(
    'migrations-import-nothing',
    [MIGRATIONS],
    [MIGRATIONS],
    'A migration must mean for ever what it meant on the day it was written: code that changes has no place in it.',
  ),
  may(
    'wire-imports-model',
    [WIRE],
    [WIRE, MODEL],
    'Bytes to nouns and back, for both ends: so it belongs to neither.',
  ),
  may(
    'config-imports-model',
    [CONFIG],
    [MODEL, CONFIG],
    'Settings are data, read by every process: reading them loads nothing.',
  ),
  may('log-imports-model', [LOG], [MODEL, CONFIG], 'Everybody in the daemon logs, so the log knows nobody.'),
  may(
    'worker-imports-no-store',
    [WORKER],
    [WORKER, WIRE, MODEL, CLOCK, LOG, CONFIG],
    'A worker runs user code, dies with it, and never opens the database: all that it knows comes over the wire.',
  ),
  may(
    'client-imports-no-daemon',
    [CLIENT],
    [CLIENT, WIRE, MODEL, CLOCK, CONFIG, '^src/worker/(registry|perform|current)\\.ts$'],
    'A client is loaded by every application and bundled with it: it stays light, and holds no more of the daemon ' +
      'than the step that performs a task, for eager and inline calls. Not the log either, which loads pino.',
  ),
  may(
    'store-imports-model',
    [STORE],
    [STORE, MODEL, CLOCK, MIGRATIONS],
    'The only code that sees SQL speaks the language of jobs to the rest, and knows none of it.',
  ),
  may(
    'stage-imports-store-interface',
    [DAEMON],
    [DAEMON, STORE_INTERFACE, WIRE, MODEL, CLOCK, LOG, CONFIG],
    'A stage knows the verbs of the store, not the database behind them, which is chosen where the ring is closed.',
    RING,
  ),
  {
    name: 'stage-imports-no-stage',
    comment:
      'Each stage is given the next as a function: so each is read and tested alone, and the order of the ring stands ' +
      'in one file.',
    severity: 'error',
    from: { path: '^src/daemon/([^/.]+)', pathNot: RING },
    to: { path: DAEMON, pathNot: '^src/daemon/$1[/.]' },
  },
  may(
    'dashboard-imports-store-interface',
    [DASHBOARD],
    [DASHBOARD, STORE_INTERFACE, WIRE, MODEL],
    'The page shows the daemon by a view handed to it: it can be taken away and nothing else changes.',
  ),
  may(
    'codegen-imports-config',
    [CODEGEN],
    [CODEGEN, MODEL, CONFIG, LOG],
    'Generate reads sources and writes sources, in a process of its own: it needs nothing that runs jobs.',
  ),
  may(
    'ring-imports-below',
    [RING],
    [DAEMON, DASHBOARD, STORE, WIRE, MODEL, CLOCK, LOG, CONFIG, '^src/worker/'],
    'It closes the ring of the stages. It is loaded by the master, which stays small and quick: so no codegen, which ' +
      'costs 340 ms and 70 MB; and it is started by the cli, which lies above.',
  ),
  may(
    'testing-imports-below',
    [TESTING],
    [TESTING, DAEMON, CLIENT, WORKER, STORE, WIRE, MODEL, CLOCK, LOG, CONFIG, MIGRATIONS],
    'The test kit is made of the real parts, and no part of the product knows of it.',
  ),
  may(
    'cli-imports-below',
    [CLI],
    [CLI, CODEGEN, DAEMON, DASHBOARD, CLIENT, WORKER, STORE, MIGRATIONS, WIRE, MODEL, CLOCK, LOG, CONFIG],
    'The commands are the top. They use the parts themselves, not the public face that stands beside them.',
  ),
  may(
    'index-imports-below',
    [INDEX],
    [CLIENT, WORKER, WIRE, MODEL, CLOCK, CONFIG, STORE, DAEMON, TESTING],
    'The public face may show what is below it; not the commands, which stand beside it.',
  ),
]

const PACKAGES = [
  only(
    'sql-only-in-store',
    [STORE, MIGRATIONS],
    ['node:sqlite', 'sqlite', 'kysely'],
    'The store is the only code that sees SQL: so it can be replaced, and nobody else can write a slow query.',
  ),
  {
    name: 'bundled-packages-run-from-one-file',
    comment:
      'The build makes one module of what runs of each: imported elsewhere, for more than its types, it is not there where ' +
      'ztask is installed.',
    severity: 'error',
    from: { path: ['^src/', MIGRATIONS], pathNot: '^src/(store/kysely|client/uuid)\\.ts$' },
    to: { path: '(^|/)node_modules/(kysely|uuid)/', dependencyTypesNot: ['type-only'] },
  },
  only(
    'zeromq-only-at-both-ends',
    [CLIENT, '^src/daemon/(ingress|ingress/zap)\\.ts$', '^src/cli/keys\\.ts$'],
    ['zeromq'],
    'A socket has one writer at a time (a second send throws EBUSY): each end has one file that owns it, and the door one more that lets in. The command makes keys by it.',
  ),
  only(
    'ts-morph-only-in-codegen',
    [CODEGEN],
    ['ts-morph', '@ts-morph/common'],
    'It costs 340 ms to import and 70 MB: only the process that generates pays.',
  ),
  only(
    'pino-only-in-log',
    [LOG],
    ['pino', 'pino-pretty', 'sonic-boom'],
    'The form of a log line is decided in one place.',
  ),
]

const SHAPE = [
  {
    name: 'no-circular',
    comment:
      'Two files that import each other, be it types alone, are one file in two pieces: neither can be read, tested ' +
      'or moved without the other.',
    severity: 'error',
    from: {},
    to: { circular: true },
  },
  {
    name: 'application-loads-no-daemon',
    comment:
      'What an application loads, by any number of steps, has no log, no database and no daemon in it: a client costs ' +
      'its process little, and a bundler finds nothing to follow.',
    severity: 'error',
    from: { path: [INDEX, CLIENT] },
    to: { path: [LOG, STORE, DAEMON, CODEGEN, MIGRATIONS], reachable: true },
  },
  {
    name: 'every-folder-has-a-row',
    comment:
      'A folder or file of src that no row names would be free of all rules: give it a row here and in CONTRIBUTING.md.',
    severity: 'error',
    from: {},
    to: {
      path: '^src/',
      pathNot:
        '^src/((model|wire|worker|client|store|daemon|dashboard|testing|cli)/|(clock|config|config-module|config-anew|config-reader|module-file|file-time|settings|registry-file|log|index)\\.ts$)',
    },
  },
  {
    name: 'nothing-unresolved',
    comment: 'An import that leads nowhere is one that no rule has seen.',
    severity: 'error',
    from: {},
    to: { couldNotResolve: true },
  },
]

export default {
  forbidden: [...ROWS, ...PACKAGES, ...SHAPE],
  options: {
    doNotFollow: { path: '(^|/)node_modules/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
