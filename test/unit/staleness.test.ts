import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Project } from '../../src/config.ts'
import { isOutOfDate, sourcesFault } from '../../src/daemon/staleness.ts'
import { defaultOf, KEYS, type Settings } from '../../src/settings.ts'

let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-stale-')))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const put = (file: string, text: string): string => {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
  return join(root, file)
}

describe('a compiled registry', () => {
  const source = () => put('registry.ts', "defineRegistry({\n  hash: '0123456789ab',\n  tasks: {},\n})")

  test.each([
    ["defineRegistry({\n    hash: '0123456789ab',\n    tasks: {},\n})", false],
    ['a({project:"x",hash:"0123456789ab",tasks:{}})', false],
    ['a({project:"x",hash:`ffffffffffff`,tasks:{}})', true],
    // Written by hand, or nothing to do with it.
    ['a({project:"x",tasks:{}});b({hash:"ffffffffffff"})', false],
  ])('%s', async (text, expected) => {
    expect(await isOutOfDate({ source: source(), file: put('dist/registry.js', text) })).toBe(expected)
  })

  test('is as old as itself, and one that is gone is told by the workers', async () => {
    expect(await isOutOfDate({ source: undefined, file: source() })).toBe(false)
    expect(await isOutOfDate({ source: source(), file: join(root, 'gone.js') })).toBe(false)
  })
})

describe('the sources', () => {
  const project = (): Project => {
    const settings = Object.fromEntries(KEYS.map((key) => [key, defaultOf(key)])) as unknown as Settings
    return { root, configFile: undefined, settings }
  }
  const refuse = () => Promise.reject(new Error('Stale: src/ztask/client.ts.'))

  test('are looked at where one of them names ztask', async () => {
    put('src/mail.ts', "import { task } from 'ztask'")
    expect(await sourcesFault(project(), refuse)).toBe('Stale: src/ztask/client.ts.')
    expect(await sourcesFault(project(), async () => 'a warning')).toBe(undefined)
  })

  test('are looked at where the client lies among them', async () => {
    put('src/mail.ts', "import { task } from 'ztask'")
    const { settings, ...rest } = project()
    const beside = { ...rest, settings: { ...settings, output: 'src' } }
    expect(await sourcesFault(beside, refuse)).toBe('Stale: src/ztask/client.ts.')
  })

  test('are not missed in an image that has none', async () => {
    expect(await sourcesFault(project(), refuse)).toBe(undefined)
    put('src/ztask/client.ts', "import { makeClient } from 'ztask'")
    put('src/main.ts', "import { tasks } from './ztask/client.js'")
    put('src/node_modules/a/index.js', "import { task } from 'ztask'")
    expect(await sourcesFault(project(), refuse)).toBe(undefined)
  })
})
