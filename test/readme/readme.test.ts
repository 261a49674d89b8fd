import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadProject } from '../../src/config.ts'
import { EXECUTABLE, processesIn, REPOSITORY, RunningProcess } from '../harness/process.ts'
import { until } from '../harness/until.ts'
import { blocksOf, README, section, tableOf } from './blocks.ts'
import { install, typeCheck, write, writeProject } from './samples.ts'

const QUICK_START = 'From an empty folder to a task that ran'

let dir = ''
let daemon: ChildProcess | undefined

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-readme-')))
})

afterEach(async () => {
  if (daemon?.pid !== undefined) process.kill(-daemon.pid, 'SIGKILL')
  daemon = undefined
  await until('the daemon to be gone', () => processesIn(join(dir, 'hello')).length === 0)
  rmSync(dir, { recursive: true, force: true })
})

/** A user's shell: nothing of the npm that runs this test, and a daemon of its own. */
const environment = (): NodeJS.ProcessEnv => {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|ZTASKD_|NODE_OPTIONS$)/i.test(name))
  return { ...Object.fromEntries(own), ZTASKD_URL: `ipc://${dir}/daemon.sock` }
}

const run = (command: string, cwd: string): string => {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
    cwd,
    env: environment(),
    encoding: 'utf8',
  })
  expect(status, `${command}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

/** Starts what goes on in a terminal of its own. @returns what it has printed so far */
const startInBackground = (command: string, cwd: string): (() => string) => {
  const child = spawn('sh', ['-c', command], { cwd, env: environment(), detached: true })
  daemon = child
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
  return () => printed
}

test('the quick start takes an empty folder to a task that ran, as it is written', async () => {
  let cwd = dir
  let terminal = (): string => ''
  const printed: string[] = []
  for (const block of blocksOf(section(QUICK_START))) {
    if (block.language === 'ts') {
      const { file = '', text } = block
      // What `ztask init` has written is shown as it is.
      if (existsSync(join(cwd, file)))
        expect(text).toBe(`// ${file}\n${readFileSync(join(cwd, file), 'utf8')}`)
      else write(cwd, block)
      continue
    }
    for (const line of block.text.trim().split('\n')) {
      const packages = /^npm install (.*)$/.exec(line)?.[1]?.split(' ')
      if (packages !== undefined) install(cwd, packages)
      else if (line === 'npx ztask daemon') {
        terminal = startInBackground(line, cwd)
        await until('the daemon to serve', () => terminal().includes('Listening on'))
      } else if (line.startsWith('mkdir ')) cwd = run(`${line} && pwd`, cwd).trim()
      else printed.push(run(line, cwd))
    }
  }
  expect(existsSync(join(cwd, 'tsconfig.json'))).toBe(false)
  expect(printed.join('')).toMatch(/stored: [0-9a-f-]{36} [0-9a-f-]{36}/)
  await until('the tasks to run', () => terminal().includes('Hello, reader, two seconds later!'))
  expect(terminal()).toContain('Hello, world!')
})

test('every TypeScript sample of the README type-checks', async () => {
  const samples = blocksOf(README).filter(({ language }) => language === 'ts')
  expect(samples.length).toBeGreaterThan(4)
  await writeProject(dir, samples)
  await typeCheck(dir, samples)
})

/** Wrong for a setting, so that the error tells which one a variable sets: nothing but line ends, or no `file#export`. */
const wrongFor = (shown: string): string => (shown === '[]' ? 'no callable' : '\n'.repeat(300))

test('the table of settings holds each that there is, with its default', async () => {
  const { settings } = await loadProject(dir, {})
  const rows = tableOf(section('Settings'))
  expect(rows.map(([, name]) => name)).toEqual(Object.keys(settings))
  // What follows from something else is said in words.
  const inWords = ['bind', 'keys', 'project', 'loader', 'registry']
  for (const [, name = '', variable = '', shown = ''] of rows) {
    const value = settings[name as keyof typeof settings]
    const said = Array.isArray(value) ? JSON.stringify(value).replaceAll('"', "'") : String(value)
    if (!inWords.includes(name)) expect(shown, name).toBe(said)
    if (variable === '') continue
    const wrong = loadProject(dir, { [variable]: wrongFor(shown) })
    await expect(wrong, variable).rejects.toMatchObject({ data: { setting: name, source: variable } })
  }
})

test('the table of commands holds each that there is', async () => {
  const { stdout } = await new RunningProcess([EXECUTABLE, '--help'], dir).ended
  const commands = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}(\w+)/gm)].map(
    ([, name]) => name,
  )
  const rows = tableOf(section('Commands'))
  const said = rows.map(([, command = '']) => /^ztask (\w+)/.exec(command)?.[1])
  expect([...said].sort()).toEqual([...commands].sort())
  for (const [, command = '', meaning = ''] of rows) {
    const name = /^ztask (\w+)/.exec(command)?.[1] ?? ''
    const help = (await new RunningProcess([EXECUTABLE, name, '--help'], dir).ended).stdout
    for (const [flag] of `${command} ${meaning}`.matchAll(/--[a-z-]+/g)) expect(help, command).toContain(flag)
  }
})

test('what the README links to is there', () => {
  const links = [...README.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link)
  const local = links.filter((link) => !link.startsWith('https://'))
  expect(local.length).toBeGreaterThan(2)
  for (const link of local) expect(existsSync(`${REPOSITORY}${link}`), link).toBe(true)
})
