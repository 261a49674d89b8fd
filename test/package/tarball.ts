/** What npm packs of this repository. It packs the `dist/` that is there: `npm test` has built it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createPackageFromTarballData, type Package } from '@arethetypeswrong/core'
import { REPOSITORY } from '../harness/process.ts'

const ROOT = '/node_modules/ztask/'

/** @returns the tarball's bytes. Without the scripts: they would build, beside tests that run what is built. */
export const pack = (): Uint8Array<ArrayBuffer> => {
  const dir = mkdtempSync(join(tmpdir(), 'ztask-pack-'))
  try {
    const argv = ['pack', '--ignore-scripts', '--pack-destination', dir]
    execFileSync('npm', argv, { cwd: REPOSITORY, stdio: 'pipe' })
    const [file = ''] = readdirSync(dir)
    return new Uint8Array(readFileSync(join(dir, file)))
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** @returns the text of each file in a tarball, by its path in the package */
export const filesOf = (tarball: Uint8Array): Map<string, string> => {
  const unpacked: Package = createPackageFromTarballData(tarball)
  return new Map(unpacked.listFiles().map((file) => [file.slice(ROOT.length), unpacked.readFile(file)]))
}

/** Writes a tarball's files into a folder. */
export const unpack = (tarball: Uint8Array, dir: string): void => {
  for (const [file, text] of filesOf(tarball)) {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    writeFileSync(join(dir, file), text)
  }
}
