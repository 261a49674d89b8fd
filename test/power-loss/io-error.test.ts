/** The disk fails under the daemon: system calls that fail on purpose, by strace. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { OutcomeUnknownError, StorageError } from '../../dist/src/index.js'
import { EXECUTABLE, logLines, RunningProcess } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const canTrace = spawnSync('strace', ['-q', '-o', '/dev/null', 'true']).status === 0
const CALLS = 60

test.skipIf(!canTrace).for([
  ['a write', 'pwrite64:error=EIO:when=100..104'],
  ['a write to a full disk', 'pwrite64:error=ENOSPC:when=100..120'],
] as const)(
  '%s fails: calls are refused while it does, nothing is half stored, and the daemon goes on',
  async ([, fault]) => {
    const project = await makeProject()
    // So that the writes of a start are few, however many migrations there are.
    await project.ztask('migrate')
    const calls = ['-o', 'trace', '-e', 'trace=fsync,pwrite64', '-e', `inject=${fault}`]
    const daemon = new RunningProcess(
      ['-f', '--seccomp-bpf', '-q', ...calls, process.execPath, EXECUTABLE, 'daemon', '--noreload'],
      project.dir,
      {},
      'strace',
    )
    const { pid } = JSON.parse(await daemon.prints(/Listening on/)) as { pid: number }
    const stored: string[] = []
    let refused = 0
    const { note } = project.client()
    try {
      for (let i = 0; i < CALLS; i++)
        await note.after(3600, `call ${i}`).then(
          ({ id }) => stored.push(id),
          (error: unknown) => {
            expect(error).toBeInstanceOf(StorageError)
            refused++
          },
        )
      // What it ran before that and could not write is not lost either.
      await note.async('after all')
      await project.hasRun('after all')
      await until('it to have ended', () => project.rows().length === stored.length)
    } finally {
      process.kill(pid, 'SIGKILL')
      await daemon.ended
    }
    expect(refused).toBeGreaterThan(0)
    expect(refused).toBeLessThan(CALLS / 2)
    const said = logLines(daemon.stdout).map(({ msg }) => msg)
    expect(said.filter((msg) => msg.startsWith('The database fails'))).toHaveLength(1)
    expect(said.filter((msg) => msg.startsWith('The database works again'))).toHaveLength(1)
    expect(project.sql('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }])
    expect(new Set(project.rows().map(({ id }) => id))).toEqual(new Set(stored))
  },
)

/** A daemon of which these of its fsyncs fail. */
const withFailingSync = (dir: string, when: string): RunningProcess =>
  new RunningProcess(
    [
      ...['-f', '--seccomp-bpf', '-q', '-o', 'trace', '-e', 'trace=fsync,fdatasync'],
      ...['-e', `inject=fsync,fdatasync:error=EIO:when=${when}`],
      ...[process.execPath, EXECUTABLE, 'daemon', '--noreload'],
    ],
    dir,
    {},
    'strace',
  )

test.skipIf(!canTrace)(
  'an fsync fails: its job is perhaps there, so nobody is told that it is not, and it is stored when that works again',
  async () => {
    const project = await makeProject()
    const daemon = withFailingSync(project.dir, '40..43')
    const { pid } = JSON.parse(await daemon.prints(/Listening on/)) as { pid: number }
    const { note } = project.client({ callTimeout: 30 })
    const stored: string[] = []
    try {
      for (let i = 0; i < CALLS; i++) stored.push((await note.after(3600, `call ${i}`)).id)
    } finally {
      process.kill(pid, 'SIGKILL')
      await daemon.ended
    }
    const said = logLines(daemon.stdout).map(({ msg }) => msg)
    expect(said.filter((msg) => msg.startsWith('The database fails'))).toHaveLength(1)
    expect(said.filter((msg) => msg.startsWith('The database works again'))).toHaveLength(1)
    expect(project.rows().map(({ id }) => id)).toEqual(stored)
  },
)

test.skipIf(!canTrace)(
  'fsyncs fail until the daemon is killed: the job that is there afterwards was not refused',
  async () => {
    const project = await makeProject()
    const daemon = withFailingSync(project.dir, '40+')
    const { pid } = JSON.parse(await daemon.prints(/Listening on/)) as { pid: number }
    const { note } = project.client({ callTimeout: 2 })
    const stored: string[] = []
    let failed: Error | undefined
    try {
      while (failed === undefined && stored.length < CALLS)
        await note.after(3600, `call ${stored.length}`).then(
          ({ id }) => stored.push(id),
          (error: Error) => {
            failed = error
          },
        )
    } finally {
      process.kill(pid, 'SIGKILL')
      await daemon.ended
    }
    expect(failed).toBeInstanceOf(OutcomeUnknownError)
    const rows = project.rows().map(({ id }) => id)
    expect(rows.slice(0, stored.length)).toEqual(stored)
    // It was written, and only its fsync failed: to refuse it would have been untrue.
    expect(rows).toHaveLength(stored.length + 1)
  },
)
