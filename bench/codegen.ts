/**
 * What `ztask generate` costs on a project of 5,000 files of which 100 hold tasks: the whole process, cold, with nothing
 * changed, with one file changed, and the time from a save to the new files under `--watch`.
 *
 * Run: npm run bench:codegen
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const FILES = 5000
const TASKS = 100
const ROUNDS = 7
const CHECKOUT = resolve(import.meta.dirname, '..')
const EXECUTABLE = join(CHECKOUT, 'bin/ztask.js')
/** Prints the memory that the process needed at most, KiB. */
const MEMORY = `data:text/javascript,process.on('exit',()=>console.error('rss',process.resourceUsage().maxRSS))`

/** 27 MB of ordinary code in all: an import, documented functions. */
const plainFile = (i: number): string => {
  const functions = Array.from(
    { length: 24 },
    (_, k) =>
      `/** Works out part ${k}. */\nexport const part${i}x${k} = (input: { id: string; amount: number }, factor = ${k}): number => {\n  if (input.amount < factor) throw new Error(\`too little: \${input.id}\`)\n  return input.amount * factor + neighbour.value\n}\n`,
  )
  return `import { neighbour } from './file${(i + 1) % FILES}.js'\n${functions.join('\n')}export const value = ${i}\n`
}

const taskFile = (i: number, body = ''): string => {
  const source =
    i % 3 === 0 ? `import { job as task } from '../queue/index.js'` : `import { task } from 'ztask'`
  return `${source}\n\n/** Does number ${i}. */\nexport const job${i} = task({ retryCount: ${i % 10} }, (to: string, n: number) => ({ to, n }))\n${body}`
}

const writeProject = (): string => {
  const root = mkdtempSync(join(tmpdir(), 'ztask-bench-'))
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  put('package.json', '{ "name": "bench", "type": "module" }')
  put('tsconfig.json', '{ "compilerOptions": { "module": "nodenext", "target": "es2024", "strict": true } }')
  put('src/queue/index.ts', "export { task as job } from 'ztask'\n")
  for (let i = 0; i < FILES - TASKS - 1; i++) put(`src/part${i % 50}/file${i}.ts`, plainFile(i))
  for (let i = 0; i < TASKS; i++) put(`src/jobs${i % 10}/task${i}.ts`, taskFile(i))
  mkdirSync(join(root, 'node_modules'))
  symlinkSync(CHECKOUT, join(root, 'node_modules/ztask'))
  return root
}

interface Run {
  readonly ms: number
  readonly mb: number
}

const generate = async (root: string): Promise<Run> => {
  const start = performance.now()
  const child = spawn(process.execPath, ['--import', MEMORY, EXECUTABLE, 'generate'], { cwd: root })
  let printed = ''
  child.stderr.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  child.stdout.resume()
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`generate ended with ${code}: ${printed}`)
  return { ms: performance.now() - start, mb: Number(/rss (\d+)/.exec(printed)?.[1]) / 1024 }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

const row = (what: string, runs: readonly Run[], bar: string): string => {
  const times = runs.map(({ ms }) => ms)
  const range = `${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}`
  const memory = Math.max(...runs.map(({ mb }) => mb))
  return `${what.padEnd(34)}${median(times).toFixed(0).padStart(6)} ms  (${range})  ${Number.isNaN(memory) ? '' : `${memory.toFixed(0)} MB`}  asked: ${bar}`
}

const repeat = async (before: (i: number) => void, root: string): Promise<Run[]> => {
  const runs: Run[] = []
  for (let i = 0; i < ROUNDS; i++) {
    before(i)
    runs.push(await generate(root))
  }
  return runs
}

/** From the save of a task's file to the registry that holds it. */
const watchOnce = async (root: string, number: number, retries: number): Promise<Run> => {
  const registry = join(root, 'src/ztask/registry.ts')
  const start = performance.now()
  const source = taskFile(number).replace(/retryCount: \d+/, `retryCount: ${retries}`)
  writeFileSync(join(root, `src/jobs1/task${number}.ts`), source)
  while (!readFileSync(registry, 'utf8').includes(`retryCount: ${retries}`)) {
    if (performance.now() - start > 10_000) throw new Error('--watch wrote nothing in 10 s')
    await sleep(1)
  }
  return { ms: performance.now() - start, mb: Number.NaN }
}

/** @param numberOf which task's file a round saves: one that is there, or a new one */
const watch = async (root: string, numberOf: (round: number) => number): Promise<Run[]> => {
  const child = spawn(process.execPath, [EXECUTABLE, 'generate', '--watch'], { cwd: root })
  await once(child.stdout, 'data')
  const runs: Run[] = []
  for (let i = 0; i < ROUNDS; i++) {
    runs.push(await watchOnce(root, numberOf(i), 1000 + numberOf(i) + i))
    await sleep(300)
  }
  child.kill()
  await once(child, 'close')
  return runs
}

const root = writeProject()
try {
  const cold = await repeat(() => rmSync(join(root, '.ztask'), { recursive: true, force: true }), root)
  const unchanged = await repeat(() => {}, root)
  const changed = await repeat(
    (i) => writeFileSync(join(root, 'src/jobs1/task1.ts'), taskFile(1, `// ${i}\n`)),
    root,
  )
  process.stdout.write(`${FILES} files, ${TASKS} with tasks, ${ROUNDS} runs each, medians\n`)
  process.stdout.write(`${row('cold', cold, '1,000 ms, 300 MB')}\n`)
  process.stdout.write(`${row('nothing changed', unchanged, '300 ms')}\n`)
  process.stdout.write(`${row('one file changed', changed, 'no bar')}\n`)
  const saved = await watch(root, () => 1)
  const made = await watch(root, (i) => TASKS + i)
  process.stdout.write(`${row('--watch, from save to registry', saved, '200 ms')}\n`)
  process.stdout.write(`${row('--watch, a new file', made, '200 ms')}\n`)
} finally {
  rmSync(root, { recursive: true, force: true })
}
