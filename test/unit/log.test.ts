import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLogger } from '../../src/log.ts'
import { ConfigError } from '../../src/model/errors.ts'
import { LOG_LEVELS, type LogLevel } from '../../src/model/log-options.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztask-log-'))
  file = join(folder, 'ztask.log')
})
afterEach(() => rmSync(folder, { recursive: true }))

interface Line {
  readonly level: string
  readonly time: string
  readonly msg: string
  readonly err?: { readonly stack: string }
}

const textOf = (path: string): string => readFileSync(path, 'utf8')
const linesOf = (path: string): Line[] =>
  textOf(path)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

describe('the log', () => {
  test('is one JSON object a line, the level a word and the time ISO 8601 in UTC', () => {
    const { log } = createLogger({ level: 'INFO', file, pretty: false })
    log.info({ job: 'j1' }, 'stored')
    log.error({ err: new Error('no') }, 'failed')
    const [first, second] = linesOf(file)
    expect(first).toEqual({ level: 'info', time: first?.time, pid: process.pid, job: 'j1', msg: 'stored' })
    expect(new Date(first?.time ?? '').toISOString()).toBe(first?.time)
    expect(second?.level).toBe('error')
    expect(second?.err?.stack).toContain('log.test.ts')
  })

  test.each<[LogLevel, string[]]>([
    ['CRITICAL', ['fatal']],
    ['ERROR', ['fatal', 'error']],
    ['WARNING', ['fatal', 'error', 'warn']],
    ['INFO', ['fatal', 'error', 'warn', 'info']],
    ['DEBUG', ['fatal', 'error', 'warn', 'info', 'debug']],
    ['NOTSET', ['fatal', 'error', 'warn', 'info', 'debug', 'trace']],
  ])('at %s holds %s', (level, expected) => {
    const { log } = createLogger({ level, file, pretty: false })
    for (const name of ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const) log[name]('x')
    expect(linesOf(file).map((line) => line.level)).toEqual(expected)
  })

  test('has six levels, which nothing changes', () => {
    expect(LOG_LEVELS).toHaveLength(6)
    expect(Object.isFrozen(LOG_LEVELS)).toBe(true)
  })

  test('is readable where asked, without colour in a file', () => {
    createLogger({ level: 'INFO', file, pretty: true }).log.info({ id: 'j1' }, 'stored')
    expect(textOf(file)).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO.*: stored \(j1\)\n$/)
  })

  test('is appended to', () => {
    createLogger({ level: 'INFO', file, pretty: false }).log.info('first')
    createLogger({ level: 'INFO', file, pretty: false }).log.info('second')
    expect(linesOf(file).map((line) => line.msg)).toEqual(['first', 'second'])
  })

  test('goes on in a new file after a rotation, and loses no line', () => {
    const { log, reopen, flush } = createLogger({ level: 'INFO', file, pretty: false })
    const rotated = join(folder, 'ztask.log.1')
    log.info('before')
    renameSync(file, rotated)
    log.info('between')
    reopen()
    log.info('after')
    flush()
    expect(linesOf(rotated).map((line) => line.msg)).toEqual(['before', 'between'])
    expect(linesOf(file).map((line) => line.msg)).toEqual(['after'])
  })

  test('stays in the old file, and says so, where the new one cannot be opened', () => {
    const inner = mkdtempSync(join(folder, 'logs-'))
    const { log, reopen } = createLogger({ level: 'INFO', file: join(inner, 'a.log'), pretty: false })
    renameSync(inner, join(folder, 'moved'))
    reopen()
    log.info('still here')
    const [complaint, line] = linesOf(join(folder, 'moved', 'a.log'))
    expect(complaint?.msg).toContain('cannot be opened again')
    expect(line?.msg).toBe('still here')
  })

  test('names a file that cannot be opened', () => {
    const nowhere = join(folder, 'no', 'such', 'folder.log')
    expect(() => createLogger({ level: 'INFO', file: nowhere, pretty: false })).toThrow(ConfigError)
    expect(() => createLogger({ level: 'INFO', file: nowhere, pretty: false })).toThrow(nowhere)
  })
})

/** Logs 1,000 lines in a process of its own, which ends by `process.exit` in the same turn. */
const logAndExit = async (options: string): Promise<{ stdout: string; stderr: string }> => {
  const script = `
    import { createLogger } from ${JSON.stringify(resolve('src/log.ts'))}
    const { log } = createLogger(${options})
    for (let i = 1; i < 1000; i++) log.info({ i }, 'x'.repeat(200))
    log.fatal('last')
    process.exit(0)`
  return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, FORCE_COLOR: '' },
  })
}

describe('at process.exit', () => {
  test.each([
    ['JSON', false],
    ['readable lines', true],
  ])('nothing is lost in a pipe: %s', async (_form, pretty) => {
    const { stdout } = await logAndExit(JSON.stringify({ level: 'INFO', pretty }))
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(1000)
    expect(lines.at(-1)).toContain('last')
    expect(stdout).not.toContain('\u001b')
  })

  test('nothing is lost in a file', async () => {
    await logAndExit(JSON.stringify({ level: 'INFO', file, pretty: false }))
    expect(linesOf(file)).toHaveLength(1000)
  })

  test.runIf(process.platform === 'linux')('a full disk stops the log only, and is told once', async () => {
    const { stderr } = await logAndExit(JSON.stringify({ level: 'INFO', file: '/dev/full', pretty: false }))
    expect(stderr.match(/the log cannot be written, lines are lost: ENOSPC/g)).toHaveLength(1)
  })
})
