import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

const INDEX = pathToFileURL(resolve(import.meta.dirname, '../../src/index.ts')).href

/** Every module that a process loads which imports one, by its URL. */
const loadedBy = (url: string): string[] => {
  const script = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load: (url, context, next) => { urls.push(url); return next(url, context) } })
    await import(${JSON.stringify(url)})
    process.stdout.write(JSON.stringify(urls))`
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }),
  )
}

test('importing ztask loads neither the socket nor the scanner, the database or the log', () => {
  const heavy = /node_modules\/(zeromq|ts-morph|kysely|pino|commander|chokidar|typescript|tsx)\//
  expect(loadedBy(INDEX).filter((url) => heavy.test(url))).toEqual([])
  // The same look finds one where it is.
  expect(loadedBy(INDEX.replace('src/index.ts', 'codegen/scan.ts')).some((url) => heavy.test(url))).toBe(true)
})
