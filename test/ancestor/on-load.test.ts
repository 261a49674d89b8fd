/** K13: onLoad prepares each worker, before its first job and before the daemon serves. */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { processesIn } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const STARTUP = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
export const warm = async () => {
  say('warming')
  while (!existsSync('warm')) await sleep(10)
  say('warm')
}
export const second = () => say('second')
export const fail = () => {
  throw new RangeError('the cache is cold')
}
`

const project = (...onLoad: string[]): Promise<TestProject> =>
  makeProject({ config: `onLoad: ${JSON.stringify(onLoad)}`, files: { 'src/startup.ts': STARTUP } })

/** @returns whether anything listens at the project's address */
const isBound = ({ url }: TestProject): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(url.split(':').at(-1)), '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

test('K13: onLoad runs in each worker, in order, before any job, and the socket is bound only then', async () => {
  const it = await project('./src/startup.ts#warm', './src/startup.ts#second')
  const daemon = it.launch(['--workers', '2'])
  await it.hasRun('warming', 2)
  expect(await isBound(it)).toBe(false)
  expect(daemon.stdout).not.toContain('Listening')
  // A call that is made meanwhile is stored when the daemon serves.
  const called = it.client({ callTimeout: 30 }).note.async('job')
  it.write('warm', '')
  await called
  expect(await isBound(it)).toBe(true)
  await it.hasRun('job')
  const runs = it.runs()
  const workers = new Set(runs.map(({ pid }) => pid))
  expect(workers.size).toBe(2)
  expect(workers).not.toContain(daemon.pid)
  for (const worker of workers)
    expect(runs.flatMap(({ what, pid }) => (pid === worker && what !== 'job' ? [what] : []))).toEqual([
      'warming',
      'warm',
      'second',
    ])
  expect(runs.at(-1)?.what).toBe('job')
})

test('K13: an onLoad that throws stops the start with its stack', async () => {
  const it = await project('./src/startup.ts#fail')
  const { code, stderr, stdout } = await it.launch().ended
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /The workers cannot load the code: src\/startup\.ts:12:\d+: RangeError: the cache is cold\n {2}12 \| +throw/,
  )
  expect(stdout).toContain('"level":"fatal"')
  expect(stdout).not.toContain('Listening')
})

test('K13: an onLoad that is no function stops the start, and is named', async () => {
  const it = await project('./src/startup.ts#warn')
  const { code, stderr } = await it.launch().ended
  expect(code).toBe(1)
  expect(stderr).toContain(`'./src/startup.ts#warn': the module exports no function 'warn'`)
})

test('A signal that comes while onLoad still runs ends the start at once, and its workers', async () => {
  const it = await project('./src/startup.ts#warm')
  const daemon = it.launch(['--workers', '2'])
  await it.hasRun('warming', 2)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 143, signal: null, stderr: '' })
  await until('the workers to end', () => processesIn(it.dir).length === 0)
})
