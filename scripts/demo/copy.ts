/** A copy of the example application in a folder of its own, so that nothing in the checkout changes. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url))
const EXAMPLE = join(CHECKOUT, 'examples/newsletter')
/** What a run of the example leaves behind. */
const LEFT_BEHIND = ['node_modules', '.ztask', 'var', 'package-lock.json']

export interface Copy {
  readonly dir: string
  readonly url: string
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

const edit = (file: string, change: (text: string) => string): void =>
  writeFileSync(file, change(readFileSync(file, 'utf8')))

/** What `npm install` would bring, as links to the checkout; with its Node, for a machine that has an older one. */
const install = (dir: string): void => {
  const modules = join(dir, 'node_modules')
  const from = join(CHECKOUT, 'node_modules')
  const links: Readonly<Record<string, string>> = {
    ztask: CHECKOUT,
    tsx: join(from, 'tsx'),
    typescript: join(from, 'typescript'),
    '@types/node': join(from, '@types/node'),
    '.bin/ztask': join(CHECKOUT, 'bin/ztask.js'),
    '.bin/tsx': realpathSync(join(from, '.bin/tsx')),
    '.bin/tsc': realpathSync(join(from, '.bin/tsc')),
    '.bin/node': process.execPath,
  }
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(target, join(modules, name))
  }
}

/** Makes the copy; its daemon listens on a port that is free now. */
export const makeCopy = async (): Promise<Copy> => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-demo-')))
  cpSync(EXAMPLE, dir, { recursive: true, filter: (path) => !LEFT_BEHIND.includes(basename(path)) })
  install(dir)
  const url = `tcp://127.0.0.1:${await freePort()}`
  edit(join(dir, 'ztask.config.ts'), (text) => text.replace('tcp://127.0.0.1:5555', url))
  edit(join(dir, 'package.json'), (text) => text.replace('file:../..', `file:${CHECKOUT}`))
  return { dir, url }
}
