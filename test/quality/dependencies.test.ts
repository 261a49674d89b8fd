import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const { dependencies, devDependencies }: Manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const [, forApplications = '', forUs = ''] = readFileSync('docs/dependencies.md', 'utf8').split(/^## /m)

/** Each row with a reason: `` | `name` | why | ``. */
const explained = (section: string): string[] =>
  [...section.matchAll(/^\| `([^`]+)` +\| \S.* \|$/gm)].map(([, name = '']) => name)

test.each([
  ['dependency', dependencies, forApplications],
  ['development dependency', devDependencies, forUs],
])('each %s has its reason in docs/dependencies.md, and none is left over', (_kind, listed, section) => {
  expect(explained(section)).toEqual(Object.keys(listed).sort())
})
