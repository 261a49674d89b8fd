/** Thousands of calls while their daemon is killed, frozen, cut off and away: each ends once, in time, and truly. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ZtaskError } from '../../dist/src/index.js'
import { generator } from '../../torture/generator.ts'
import type { RunningProcess } from '../harness/process.ts'
import { makeProject, TestProject } from '../harness/project.ts'
import { TcpProxy } from '../harness/proxy.ts'
import { until } from '../harness/until.ts'

const SEED = Number(process.env.ZTASK_SEED ?? 1)
const ROUNDS = Number(process.env.ZTASK_RUNS ?? 8)
const CALLS_A_ROUND = 400
/** Seconds. */
const TIMEOUT = 2
/** What may come on top on a busy machine, and while this process itself is held up, ms. */
const SLACK = 8000

test(`each call resolves for a job that is stored, or rejects by name (seed ${SEED}, ${ROUNDS} rounds)`, async () => {
  const project = await makeProject()
  let daemon: RunningProcess = await project.daemon(['--workers', '1'])
  const proxy = await TcpProxy.to(project.url)
  onTestFinished(() => proxy.close())
  const { note } = new TestProject(project.dir, proxy.url).client({ callTimeout: TIMEOUT })
  const next = generator(SEED)
  const resolved: string[] = []
  const rejected = new Map<string, number>()
  let [made, ended, longest] = [0, 0, 0]

  const call = async (): Promise<void> => {
    made++
    const start = performance.now()
    try {
      // Due in an hour: its row stays.
      resolved.push((await note.after(3600, `call ${made}`)).id)
    } catch (error) {
      expect(error).toBeInstanceOf(ZtaskError)
      const { code } = error as ZtaskError
      rejected.set(code, (rejected.get(code) ?? 0) + 1)
    }
    ended++
    longest = Math.max(longest, performance.now() - start)
  }

  const disturb: readonly (() => Promise<void>)[] = [
    async () => {
      await daemon.kill()
      daemon = await project.daemon(['--workers', '1'])
    },
    async () => {
      daemon.child.kill('SIGSTOP')
      await sleep(next() * 3000)
      daemon.child.kill('SIGCONT')
    },
    async () => proxy.cut(),
    async () => {
      const goOn = proxy.holdUp()
      await sleep(next() * 3000)
      goOn()
    },
    async () => {
      proxy.losesAnswers = true
      await sleep(next() * 500)
      proxy.losesAnswers = false
      proxy.cut()
    },
  ]

  const calls: Promise<void>[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < CALLS_A_ROUND; i++) calls.push(call())
    await sleep(next() * 20)
    await disturb[Math.floor(next() * disturb.length)]?.()
  }
  await Promise.all(calls)
  expect(ended).toBe(made)
  expect(longest).toBeLessThan(TIMEOUT * 1000 + SLACK + 3000)
  expect(resolved.length).toBeGreaterThan(0)
  for (const code of rejected.keys()) expect(['ZTASK_UNAVAILABLE', 'ZTASK_OUTCOME_UNKNOWN']).toContain(code)
  expect(new Set(resolved).size).toBe(resolved.length)
  await until('the daemon to have written', () => project.rows().length >= resolved.length)
  const rows = new Set(project.rows().map(({ id }) => id))
  expect(resolved.filter((id) => !rows.has(id))).toEqual([])
})
