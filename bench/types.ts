/**
 * What 1,000 tasks in 100 files cost the type checker: the same functions as no tasks, as tasks whose client is imported
 * and not used, and as tasks whose client is called 2,000 times. The three are checked in turn by this repository's
 * compiler with its defaults. Wall is of the whole process, check is the compiler's own figure; instantiations are those
 * of one checker alone, as several repeat each other's. On 2 quiet cores: 0.2 s, 0.4 and 0.7; others at work double it.
 *
 * Run: npm run build && npm run bench:types
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { generate } from '../codegen/generate.ts'
import { loadProject } from '../src/config.ts'

const FILES = 100
const TASKS = 1000
const CALLS = 2000
const ROUNDS = 5
/** What all tasks together may cost more than none, s. */
const BAR = 0.6
const CHECKOUT = resolve(import.meta.dirname, '..')
const TSC = join(CHECKOUT, 'node_modules/typescript/bin/tsc')
const TSCONFIG = {
  compilerOptions: {
    target: 'es2024',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    types: ['node'],
    noEmit: true,
  },
  include: ['src'],
}

/** Each file has types of its own: the checker knows a type again that it has seen, and 1,000 tasks would be six. */
const TYPES = `export interface Line { sku: string; count: number; price: bigint }
export interface Address { street: string; city: string; country: 'at' | 'de' | 'fr'; geo?: [number, number] }
export interface Order { id: string; customer: { name: string; address: Address }; lines: Line[]; due: Date | null }
export type Change = { kind: 'moved'; to: string } | { kind: 'removed'; at: Date } | { kind: 'priced'; lines: Line[] }
export interface Size { width: number; height: number }
`

interface Kind {
  readonly parameters: string
  readonly result: string
  /** Of a call. */
  readonly args: string
}

const KINDS: readonly Kind[] = [
  {
    parameters: 'to: string, subject: string, cc?: readonly string[]',
    result: '({ id: to + subject, cc })',
    args: "'a@b.c', 'Hi', ['d@e.f']",
  },
  {
    parameters: 'order: Order, paidAt: Date',
    result: '({ id: order.id, paidAt })',
    args: "{ id: 'a', customer: { name: 'b', address: { street: 'c', city: 'd', country: 'at' } }, lines: [], due: null }, new Date()",
  },
  {
    parameters: 'ids: readonly number[], change: Change',
    result: 'ids.map((id) => ({ id, change }))',
    args: "[1, 2], { kind: 'moved', to: 'a' }",
  },
  {
    parameters: 'change: Change | undefined',
    result: 'change?.kind',
    args: "{ kind: 'removed', at: new Date() }",
  },
  {
    parameters: 'path: string, { width, height }: Size, quality = 80',
    result: 'path + width * height * quality',
    args: "'a.png', { width: 1, height: 2 }",
  },
  {
    parameters: 'lines: Map<string, Line>, notes: Record<string, string | null>',
    result: '[...lines.keys()].map((key) => notes[key])',
    args: 'new Map(), { a: null }',
  },
]

const kindOf = (i: number): Kind => KINDS[i % KINDS.length] as Kind

const moduleOf = (file: number, isTask: boolean): string => {
  const functions = Array.from({ length: TASKS / FILES }, (_, k) => {
    const i = file * (TASKS / FILES) + k
    const code = `async (${kindOf(i).parameters}) => ${kindOf(i).result}`
    const value = isTask ? `task({ retryCount: ${i % 9} }, ${code})` : code
    return `/** Does the work of number ${i}. */\nexport const work${i} = ${value}\n`
  })
  return `${isTask ? "import { task } from 'ztask'\n\n" : ''}${TYPES}\n${functions.join('\n')}`
}

const CLIENT = "import { tasks } from './ztask/client.js'\n"
const called = Array.from({ length: CALLS }, (_, i) => {
  const task = i % TASKS
  return `await tasks.work${task}.async(${kindOf(task).args})\n`
})

const VARIANTS = [
  { name: 'no tasks', isTask: false, use: 'export {}\n' },
  { name: 'tasks, client unused', isTask: true, use: `${CLIENT}export { tasks }\n` },
  {
    name: `tasks, client called ${CALLS.toLocaleString('en')} times`,
    isTask: true,
    use: `${CLIENT}${called.join('')}`,
  },
] as const

const writeProject = async (root: string, isTask: boolean, use: string): Promise<void> => {
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  put('package.json', '{ "name": "bench", "type": "module" }')
  put('tsconfig.json', JSON.stringify(TSCONFIG))
  put('src/use.ts', use)
  for (let i = 0; i < FILES; i++) put(`src/work/part${i}.ts`, moduleOf(i, isTask))
  if (!isTask) return
  const { tasks } = await generate(await loadProject(root, {}), 'write')
  if (tasks.length !== TASKS) throw new Error(`generate found ${tasks.length} tasks`)
}

interface Run {
  readonly wall: number
  readonly check: number
}

/** Runs the compiler, which must find nothing wrong, and gives what it prints. */
const compile = (root: string, ...flags: readonly string[]): string =>
  execFileSync(process.execPath, [TSC, '-p', root, '--extendedDiagnostics', ...flags], { encoding: 'utf8' })

const figure = (printed: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+([\\d.]+)`, 'm').exec(printed)?.[1])

const timed = (root: string): Run => {
  const start = performance.now()
  const printed = compile(root)
  return { wall: (performance.now() - start) / 1000, check: figure(printed, 'Check time') }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

const medians = (runs: readonly Run[]): Run => ({
  wall: median(runs.map(({ wall }) => wall)),
  check: median(runs.map(({ check }) => check)),
})

const row = (...cells: readonly string[]): void => {
  process.stdout.write(
    `${cells.map((cell, i) => (i === 0 ? cell.padEnd(34) : cell.padStart(16))).join('')}\n`,
  )
}

const folder = mkdtempSync(join(tmpdir(), 'ztask-bench-'))
try {
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  symlinkSync(CHECKOUT, join(folder, 'node_modules/ztask'))
  symlinkSync(join(CHECKOUT, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'))
  const projects = VARIANTS.map(({ name, isTask, use }, i) => {
    return { name, isTask, use, root: join(folder, `variant${i}`), runs: [] as Run[] }
  })
  const [load = 0] = loadavg()
  for (const { root, isTask, use } of projects) await writeProject(root, isTask, use)
  for (let i = 0; i < ROUNDS; i++) for (const { root, runs } of projects) runs.push(timed(root))

  const none = medians(projects[0]?.runs ?? [])
  process.stdout.write(
    `${TASKS} tasks in ${FILES} files, ${ROUNDS} runs each in turn, medians; load before: ${load.toFixed(1)}\n`,
  )
  row('', 'wall, s', 'check, s', 'instantiations', 'more than none', `asked: < ${BAR} s`)
  for (const { name, isTask, root, runs } of projects) {
    const { wall, check } = medians(runs)
    const more = wall - none.wall
    const verdict = isTask ? [`${more.toFixed(2)} s`, more < BAR ? 'holds' : 'does not hold'] : []
    const instantiations = figure(compile(root, '--singleThreaded'), 'Instantiations')
    row(name, wall.toFixed(2), check.toFixed(2), instantiations.toLocaleString('en'), ...verdict)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
