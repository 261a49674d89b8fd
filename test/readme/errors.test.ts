/** docs/errors.md: what it says is what the comments of the classes say, and what the code does. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const SOURCE = 'src/model/errors.ts'

const run = async (tree: string): Promise<{ code: number; said: string }> => {
  try {
    const script = join(tree, 'scripts/errors.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--check'])
    return { code: 0, said: stdout }
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string }
    return { code, said: stderr }
  }
}

test('the list of errors is what the comments of their classes say', async () => {
  expect(await run('.')).toEqual({ code: 0, said: 'docs/errors.md is up to date\n' })
})

test('a fact that no comment names, one that no code gives, and a comment without a cure are red', async () => {
  mkdirSync('.tmp', { recursive: true })
  const tree = mkdtempSync(resolve('.tmp/errors-'))
  try {
    for (const part of ['src', 'scripts/errors.ts', 'docs/errors.md', 'package.json'])
      cpSync(part, join(tree, part), { recursive: true })
    symlinkSync(resolve('node_modules'), join(tree, 'node_modules'))
    cpSync('codegen', join(tree, 'codegen'), { recursive: true })
    const source = readFileSync(SOURCE, 'utf8')
    const write = (text: string) => writeFileSync(join(tree, SOURCE), text)

    write(source.replace(' * Data: `reason`, ', ' * Data: '))
    expect((await run(tree)).said).toContain("'Data:' of StorageError does not name reason")
    write(source.replace(' * Data: `reason`, ', ' * Data: `reason`, `colour`, '))
    expect((await run(tree)).said).toContain('no code gives a StorageError its colour')
    write(source.replace(' * Cure: correct the name.', ' * Correct the name.'))
    expect((await run(tree)).said).toContain("UnknownTaskError has no paragraph 'Cure: …'")
    write(source.replace('There is no task of this name.', 'Nobody knows it.'))
    expect(await run(tree)).toMatchObject({ code: 1, said: expect.stringContaining('is stale') })
  } finally {
    rmSync(tree, { recursive: true })
  }
})
