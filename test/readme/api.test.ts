/** docs/api.md is what the comments say, and every example in the comments of what users import compiles. */
import { execFile } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Project, SyntaxKind } from 'ts-morph'
import { afterEach, beforeEach, expect, test } from 'vitest'
import * as ztask from '../../dist/src/index.js'
import { REPOSITORY } from '../harness/process.ts'
import type { Block } from './blocks.ts'
import { typeCheck, write, writeProject } from './samples.ts'

let dir = ''
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-api-')))
})
afterEach(() => rmSync(dir, { recursive: true }))

test('the page is what the comments of the exports say', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/api.ts', '--check'])
  expect(stdout).toBe('docs/api.md is up to date\n')
})

/** The examples in every file that the public face exports from. */
const examples = (): string[] => {
  const project = new Project({ skipAddingFilesFromTsConfig: true })
  const face = project.addSourceFileAtPath(`${REPOSITORY}src/index.ts`)
  const declared = [...face.getExportedDeclarations().values()].flat()
  const files = new Set(declared.map((one) => one.getSourceFile()))
  return [...files].flatMap((file) =>
    file
      .getDescendantsOfKind(SyntaxKind.JSDocTag)
      .filter((tag) => tag.getTagName() === 'example')
      .map((tag) => tag.getCommentText() ?? ''),
  )
}

const PRELUDE = `import { ${Object.keys(ztask).join(', ')} } from 'ztask'\nimport { tasks } from '../ztask/client.js'\n`

const TASKS: Block = {
  language: 'ts',
  file: 'src/mail.ts',
  text: `import { task } from 'ztask'\nexport const sendEmail = task((to: string, subject = '') => [to, subject])\nexport const add = task((left: number, right: number) => left + right)\nexport const resize = task((path: string, width: number) => path + width)\n`,
}

test('every example in them compiles', async () => {
  const found = examples()
  expect(found.length).toBeGreaterThan(6)
  await writeProject(dir, [TASKS])
  // Written after the client is generated: some define tasks of their own.
  const samples = found.map((text, at) => ({
    language: 'ts',
    file: `src/examples/example-${at}.ts`,
    text: PRELUDE + text,
  }))
  for (const sample of samples) write(dir, sample)
  await typeCheck(dir, samples)
})
