import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const SCRIPT = 'scripts/ancestor-tests.js'
const PAGE = 'docs/ancestor-tests.md'

/** Runs the script of a tree. @returns how it ended */
const run = async (tree: string, ...argv: string[]): Promise<{ code: number; said: string }> => {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(tree, SCRIPT), ...argv])
    return { code: 0, said: stdout }
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string }
    return { code, said: stderr }
  }
}

const plain = (title: string): string => `test('${title}', async () => {})`
const each = (title: string): string => `test.each([1])(\n  "${title}",\n  () => {},\n)`

test('docs/ancestor-tests.md says what the titles of the tests say', async () => {
  expect(await run('.', '--check')).toEqual({ code: 0, said: `${PAGE} is up to date\n` })
})

test('each test is found, by all ids of its title, and a page that lacks one is stale', async () => {
  mkdirSync('.tmp', { recursive: true })
  const tree = mkdtempSync(resolve('.tmp/ancestor-'))
  try {
    for (const folder of ['scripts', 'docs', 'test/sub']) mkdirSync(join(tree, folder), { recursive: true })
    cpSync(SCRIPT, join(tree, SCRIPT))
    writeFileSync(join(tree, 'package.json'), '{"type":"module"}')
    const page = () => readFileSync(join(tree, PAGE), 'utf8')
    const write = (...tests: string[]) => writeFileSync(join(tree, 'test/sub/a.test.ts'), tests.join('\n'))

    write(plain("B12, K3: it\\'s one"), each('K3: of %s'))
    expect(await run(tree)).toEqual({ code: 0, said: `wrote ${PAGE}\n` })
    expect(page()).toMatch(/^\| B12 \|.*\| \[sub\/a\.test\.ts\]\(.*\): it's one \|$/m)
    expect(page()).toMatch(/^\| K3 \|.*: it's one<br>.*: of … \|$/m)
    expect(page()).toMatch(/^\| B13 \|.*\| not yet \(a later issue\) \|$/m)
    expect(await run(tree, '--check')).toMatchObject({ code: 0 })

    write(plain('B13: another'))
    expect(await run(tree, '--check')).toMatchObject({ code: 1, said: expect.stringContaining('is stale') })
    write(plain('B26: nothing of the kind'))
    expect((await run(tree)).said).toContain('the ancestor has no B26')
  } finally {
    rmSync(tree, { recursive: true })
  }
})
