/** A project into which the tarball is installed, as `npm install --omit=dev` does, without asking a registry. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REPOSITORY } from '../harness/process.ts'
import { unpack } from './tarball.ts'

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>
}

/** Where each package lies that an application gets; those for other platforms are not here. */
const production = (): string[] => {
  const { packages }: Lock = JSON.parse(readFileSync(`${REPOSITORY}package-lock.json`, 'utf8'))
  return Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path]) => path)
    .filter((path) => existsSync(REPOSITORY + path))
}

/** @returns a new folder with the package in its node_modules, and copies of what it depends on; no link leads out */
export const install = (tarball: Uint8Array): string => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-package-')))
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'application', version: '1.0.0' }))
  for (const path of production()) {
    mkdirSync(join(dir, path), { recursive: true })
    cpSync(REPOSITORY + path, join(dir, path), { recursive: true })
  }
  unpack(tarball, join(dir, 'node_modules/ztask'))
  return dir
}
