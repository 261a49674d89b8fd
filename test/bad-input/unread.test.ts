/** A client that asks and never reads: it costs the master little, and the others nothing. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { Dealer } from 'zeromq'
import { exchange } from '../harness/dealer.ts'
import type { RunningProcess } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const message = (fields: object): string[] => ['ztask/1', JSON.stringify({ project: 'fixture', ...fields })]

/** MiB */
const MOST = 100
const memoryOf = ({ pid }: RunningProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

test('lists that nobody reads', async () => {
  const project = await makeProject()
  const daemon = await project.daemon(['--loglevel', 'DEBUG'])
  const args = JSON.stringify(['x'.repeat(300_000)])
  const jobs = Array.from({ length: 12 }, () => [randomUUID(), 'note', args, 3_600_000])
  await exchange(project.url, message({ kind: 'enqueue', seq: 1, jobs }))
  const before = memoryOf(daemon)
  const socket = new Dealer({ linger: 0, immediate: true, receiveHighWaterMark: 1 })
  onTestFinished(() => socket.close())
  socket.connect(project.url)
  const list = { kind: 'ask', verb: 'list', params: { limit: 1000, page: true } }
  for (let seq = 0; seq < 200; seq++) await socket.send(message({ ...list, seq }))
  const taken = (): number => memoryOf(daemon) - before
  await until('what is beyond the bound to be dropped, or to fill the memory', () => {
    return taken() > MOST || daemon.stdout.includes('does not read its answers')
  })
  await project.client().note.async('beside')
  await project.hasRun('beside')
  expect(taken()).toBeLessThan(MOST)
})
