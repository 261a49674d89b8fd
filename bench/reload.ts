/**
 * How long it takes from a save to the first job that runs the new code, beside the bars: in a project of 200 files with
 * tasks and 2,000 others, of which the tasks reach 20, or 420, with two workers, while one call comes each 5 ms.
 *
 * Run: npm run bench:reload
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientSpec, close, type Job, makeClient } from '../dist/src/index.js'
import { ended, freePort, listening } from './machine.ts'
import { quantile } from './statistics.ts'

const CHECKOUT = resolve(import.meta.dirname, '..')
const EXECUTABLE = join(CHECKOUT, 'bin/ztask.js')
const TASKS = 200
const OTHERS = 2000
const SAVES = 40
const PACE = 5

/** Thirty lines of ordinary code. */
const other = (i: number): string =>
  Array.from(
    { length: 10 },
    (_, k) =>
      `/** Works out part ${k}. */\nexport const part${i}x${k} = (input: { id: string; amount: number }): string =>\n  \`\${input.id} \${input.amount * ${k}}\`\n`,
  ).join('')

/** One of twenty that all share; and two of its own, where more are reached. */
const importsOf = (i: number, own: boolean): number[] => [...(own ? [2 * i, 2 * i + 1] : []), 400 + (i % 20)]

const task = (i: number, own: boolean, version: number): string => {
  const parts = importsOf(i, own)
  return `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
${parts.map((part) => `import { part${part}x1 } from '../lib/lib${part}.js'`).join('\n')}

/** Does number ${i}. */
export const task${i} = task(async (id: string): Promise<string> => {
  appendFileSync('ran.log', '${version} ' + Date.now() + '\\n')
  return [${parts.map((part) => `part${part}x1`).join(', ')}].map((part) => part({ id, amount: 1 })).join()
})
`
}

const writeProject = (root: string, own: boolean): void => {
  const put = (path: string, text: string): void => writeFileSync(join(root, path), text)
  for (const folder of ['src/lib', 'src/tasks', 'node_modules'])
    mkdirSync(join(root, folder), { recursive: true })
  symlinkSync(CHECKOUT, join(root, 'node_modules/ztask'))
  put('package.json', '{ "name": "bench", "type": "module" }')
  put('tsconfig.json', '{ "compilerOptions": { "module": "nodenext", "target": "es2024", "strict": true } }')
  for (let i = 0; i < OTHERS; i++) put(`src/lib/lib${i}.ts`, other(i))
  for (let i = 0; i < TASKS; i++) put(`src/tasks/task${i}.ts`, task(i, own, 0))
  put('ran.log', '')
}

/** When the first job ran on a version, epoch ms. */
const firstRun = (root: string, version: number): number | undefined => {
  const line = readFileSync(join(root, 'ran.log'), 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${version} `))
  return line === undefined ? undefined : Number(line.split(' ')[1])
}

/** @returns how long each save took, ms */
const saveAndRun = async (root: string, url: string, own: boolean): Promise<number[]> => {
  const names = Array.from({ length: TASKS }, (_, i) => `task${i}`)
  const spec = {
    ...{ project: 'bench', url, settings: { callTimeout: 30 }, tasks: names },
    load: () => Promise.reject(new Error('no registry here')),
  } satisfies ClientSpec
  const tasks = makeClient<Record<string, { async(id: string): Promise<Job> }>>(spec)
  // The parser warms up, and tsx keeps what it has compiled.
  await sleep(5000)
  const took: number[] = []
  for (let version = 1; version <= SAVES; version++) {
    const which = (version * 37) % TASKS
    writeFileSync(join(root, `src/tasks/task${which}.ts`), task(which, own, version))
    const saved = Date.now()
    let at: number | undefined
    while (at === undefined) {
      await tasks[`task${which}`]?.async('x')
      await sleep(PACE)
      at = firstRun(root, version)
    }
    took.push(at - saved)
    // A person looks before the next save.
    await sleep(1000)
  }
  return took
}

const measure = async (own: boolean): Promise<number[]> => {
  const root = mkdtempSync(join(tmpdir(), 'ztask-bench-'))
  const port = await freePort()
  writeProject(root, own)
  const url = `tcp://127.0.0.1:${port}`
  const daemon = spawn(
    process.execPath,
    [EXECUTABLE, 'daemon', '--workers', '2', '-l', 'WARNING', '--url', url],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  )
  try {
    await listening(port, daemon)
    return await saveAndRun(root, url, own)
  } finally {
    close()
    daemon.kill('SIGTERM')
    await ended(daemon)
    rmSync(root, { recursive: true, force: true })
  }
}

console.log(
  `From a save to the first job on the new code, ms, of ${SAVES} saves; asked: p50 below 400, p99 below 1,000`,
)
for (const own of [false, true]) {
  const took = await measure(own)
  const ms = (q: number): string => quantile(took, q).toFixed(0)
  console.log(
    `tasks reach ${own ? 420 : 20} others: p50 ${ms(0.5)}, p99 ${ms(0.99)}, from ${ms(0)} to ${ms(1)}`,
  )
}
