/** Programs of random modules, of which it is known by construction what their tasks are. */
import fc from 'fast-check'
import { carry, lookalike } from './carriers.ts'
import { type Module, module, newModule, type Style, specifier } from './module.ts'
import type { Making } from './obtain.ts'
import { Tape } from './tape.ts'
import { define, distract, republish } from './users.ts'

/** A task as a scan should find it. */
export interface Expected {
  readonly name: string
  readonly file: string
  readonly export: string
}

export interface Program {
  /** By path. */
  readonly files: Readonly<Record<string, string>>
  /** Sorted by name. */
  readonly tasks: readonly Expected[]
}

interface Tapes {
  readonly style: readonly number[]
  readonly carriers: readonly (readonly number[])[]
  readonly users: readonly (readonly number[])[]
}

const tape = fc.array(fc.nat(999), { minLength: 10, maxLength: 40 })

/** Any program. */
export const programs: fc.Arbitrary<Program> = fc
  .record({
    style: fc.array(fc.nat(999), { maxLength: 4 }),
    carriers: fc.array(tape, { maxLength: 7 }),
    users: fc.array(tape, { minLength: 1, maxLength: 6 }),
  })
  .map((tapes) => shown(program(tapes)))

/** Where a property fails, fast-check shows the files. */
const shown = (made: Program): Program =>
  Object.assign(made, {
    [fc.toStringMethod]: () =>
      [
        ...Object.entries(made.files).map(([path, text]) => `\n--- ${path}\n${text}`),
        ...made.tasks.map((task) => `\n=> ${JSON.stringify(task)}`),
      ].join(''),
  })

const program = ({ style: first, carriers, users }: Tapes): Program => {
  let last = 0
  const style: Style = {
    resolution: new Tape(first).pick(['nodenext', 'bundler']),
    fresh: (word) => `${word}${last++}`,
  }
  const ztask = module('ztask', 'package', true)
  ztask.exposures.push({ path: ['task'], isTask: true })
  const other = module('other-queue', 'package', true)
  other.exposures.push({ path: ['task'], isTask: false })
  const modules = [ztask, other]
  for (const numbers of carriers) modules.push(carrier({ tape: new Tape(numbers), style }, modules))
  for (const numbers of users) modules.push(user({ tape: new Tape(numbers), style }, modules))
  const own = modules.filter(({ syntax }) => syntax !== 'package')
  return {
    files: Object.fromEntries([...own.map((one) => [one.path, textOf(one)]), ...frame(style)]),
    tasks: own
      .flatMap(({ path, tasks }) => tasks.map((task) => ({ ...task, file: path })))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

const textOf = ({ head, body }: Module): string => `${[...head, ...body].join('\n')}\n`

const frame = ({ resolution }: Style): [string, string][] => [
  ['package.json', JSON.stringify({ name: 'program', type: 'module', imports: { '#src/*': './src/*' } })],
  ['src/legacy/package.json', JSON.stringify({ type: 'commonjs' })],
  [
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        ...(resolution === 'nodenext'
          ? { module: 'nodenext' }
          : { module: 'esnext', moduleResolution: 'bundler' }),
        allowJs: true,
        jsx: 'preserve',
        paths: { '@/*': ['./src/*'] },
      },
    }),
  ],
]

/** Modules that another exports all of, which is older. */
const inCircle = new WeakSet<Module>()

const carrier = (making: Making, modules: readonly Module[]): Module => {
  const { tape } = making
  const to = newModule(tape, tape.pick(['esm', 'esm', 'cjs']), modules)
  if (tape.pick([false, false, false, true])) lookalike(making, to)
  else carry(making, to, sourceOf(making, to, modules))
  const back = modules.findLast((one) => one.syntax === 'esm')
  // A circle: what both expose has one origin, so that nothing is ambiguous. Nor does what is in one get more afterwards: whoever
  // exports all of it may have that name from elsewhere.
  const isOpen = back !== undefined && !inCircle.has(back)
  if (tape.pick([false, false, true]) && to.syntax === 'esm' && isOpen && agree(to, back)) {
    inCircle.add(to)
    back.awaits ||= to.awaits
    back.body.push(`export * from ${specifier(tape, making.style, back, to)}`)
    const known = new Set(back.exposures.map(({ path: [key] }) => key))
    back.exposures.push(...to.exposures.filter(({ path: [key] }) => key !== 'default' && !known.has(key)))
  }
  return to
}

const agree = (a: Module, b: Module): boolean =>
  a.exposures.every(({ path, isTask }) =>
    b.exposures.every((one) => one.path[0] !== path[0] || one.isTask === isTask),
  )

const sourceOf = ({ tape }: Making, to: Module, modules: readonly Module[]): Module => {
  // What waits for a dynamic import cannot be required.
  const able = modules.filter(
    ({ awaits, exposures }) => exposures.length > 0 && !(awaits && to.syntax === 'cjs'),
  )
  return tape.pick(able.toReversed() as unknown as [Module, ...Module[]])
}

const user = (making: Making, modules: readonly Module[]): Module => {
  const { tape, style } = making
  const to = newModule(tape, tape.pick(['esm', 'cjs', 'esm']), modules)
  const from = modules.findLast(({ tasks, awaits }) => tasks.length > 0 && !(awaits && to.syntax === 'cjs'))
  if (from !== undefined && tape.pick([false, false, false, false, true])) {
    republish(making, to, from, specifier(tape, style, to, from))
    return to
  }
  define(making, to, sourceOf(making, to, modules))
  const callee =
    /(?:as|const|import|:) (local\d+|all\d+)\b/.exec([...to.head, ...to.body].join('\n'))?.[1] ?? 'task'
  for (let i = tape.count(3); i > 0; i--) distract(making, to, callee)
  return to
}
