import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Watch, watchProject } from '../../src/daemon/reload.ts'

const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** Watches `src` and `dist` of a project in `below`, and resolves with the files of the first reload, sorted. */
const firstChange = async (
  below: string,
  change: (root: string, watch: Watch) => void,
): Promise<string[]> => {
  const temporary = mkdtempSync(join(tmpdir(), 'ztask-reload-'))
  ends.push(() => rmSync(temporary, { recursive: true }))
  const root = join(temporary, below)
  for (const folder of ['src/ztask', 'src/.hidden', 'dist/ztask'])
    mkdirSync(join(root, folder), { recursive: true })
  return new Promise<string[]>((resolve, reject) => {
    watchProject({
      root,
      include: ['src/**/*', 'later/**/*'],
      generated: [join(root, 'src/ztask/client.ts')],
      also: [join(root, 'dist')],
      settle: 100,
      renew: async (files) => resolve(files.map((file) => relative(root, file)).sort()),
      failed: reject,
      blind: reject,
    }).then((watch) => {
      ends.push(() => watch.stop())
      change(root, watch)
    }, reject)
  })
}

test('a project below a dot folder is watched like any other', async () => {
  const changed = await firstChange('.worktrees/p', (root) => writeFileSync(join(root, 'src/a.ts'), ''))
  expect(changed).toEqual([join('src', 'a.ts')])
})

test('what is generated, hidden or no code reloads nothing', async () => {
  const changed = await firstChange('p', (root) => {
    for (const file of ['src/ztask/client.ts', 'src/.hidden/x.ts', 'src/data.csv', 'src/last.ts'])
      writeFileSync(join(root, file), '')
  })
  expect(changed).toEqual([join('src', 'last.ts')])
})

test('a folder that comes later is watched, and what lies beside is not', async () => {
  const changed = await firstChange('p', (root) => {
    for (const folder of ['other', 'later/deep']) mkdirSync(join(root, folder), { recursive: true })
    for (const file of ['other/a.ts', 'b.ts', 'later/deep/c.ts']) writeFileSync(join(root, file), '')
  })
  expect(changed).toEqual([join('later', 'deep', 'c.ts')])
})

test('sources beside what is generated are watched', async () => {
  const changed = await firstChange('p', (root) => {
    for (const file of ['src/ztask/client.ts', 'src/ztask/mail.ts']) writeFileSync(join(root, file), '')
  })
  expect(changed).toEqual([join('src', 'ztask', 'mail.ts')])
})

test('the folder of compiled code is watched, also when it is made anew', async () => {
  const changed = await firstChange('p', (root) => {
    rmSync(join(root, 'dist'), { recursive: true })
    mkdirSync(join(root, 'dist/src'), { recursive: true })
    writeFileSync(join(root, 'dist/src/mail.js'), '')
  })
  expect(changed).toEqual([join('dist', 'src', 'mail.js')])
})

test('what has changed since it was read is noticed where it comes to count, elsewhere and in a folder that is watched', async () => {
  const changed = await firstChange('p', (root, watch) => {
    // Of a kind that counts only where a worker has loaded it.
    const changed = ['changed.sql', 'src/changed.sql'].map((name) => join(root, name))
    const same = ['same.sql', 'src/same.sql'].map((name) => join(root, name))
    for (const file of [...changed, ...same]) writeFileSync(file, '')
    watch.follow(changed, Date.now())
    watch.follow(same, Date.now() + 1000)
  })
  expect(changed).toEqual(['changed.sql', join('src', 'changed.sql')])
})

test('what is saved while its watch begins is noticed', async () => {
  const changed = await firstChange('p', (root, watch) => {
    const file = join(root, 'lib/near.ts')
    mkdirSync(join(root, 'lib'))
    writeFileSync(file, '')
    // What was written above is older than that.
    const since = Date.now() + 50
    watch.follow([file], since)
    while (Date.now() < since) {}
    writeFileSync(file, 'saved')
  })
  expect(changed).toEqual([join('lib', 'near.ts')])
})

test('what cannot be watched is told, and the rest is watched', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ztask-reload-'))
  ends.push(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'src'))
  // Each leads to the other, for ever.
  symlinkSync('two', join(root, 'src/one'))
  symlinkSync('one', join(root, 'src/two'))
  const told: Error[] = []
  const changed = new Promise<readonly string[]>((resolve, reject) => {
    watchProject({
      root,
      include: ['src/**/*'],
      generated: [join(root, 'src/ztask/client.ts')],
      also: [],
      settle: 100,
      renew: async (files) => resolve(files.map((file) => relative(root, file))),
      failed: reject,
      blind: (error) => told.push(error),
    }).then((watch) => {
      ends.push(() => watch.stop())
      writeFileSync(join(root, 'src/a.ts'), '')
    }, reject)
  })
  expect(await changed).toEqual([join('src', 'a.ts')])
  expect(told.map((error) => (error as NodeJS.ErrnoException).code)).toContain('ELOOP')
})
