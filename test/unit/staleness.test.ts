import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isOutOfDate } from '../../src/daemon/staleness.ts'

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
