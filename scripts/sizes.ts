/**
 * Prints what an installation takes on the disk, for docs/dependencies.md: an application's, which is what the lock file
 * has without the development dependencies, and this repository's; and the packages of 5 MB and more.
 *
 * Run: node scripts/sizes.ts
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>
}

const WORTH_NAMING = 5

process.chdir(join(import.meta.dirname, '..'))
const { packages }: Lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))

const paths = Object.keys(packages).filter((path) => path !== '' && existsSync(path))

// One du for all counts once what is linked twice, esbuild's binary; and a nested package within the one around it.
const printed = execFileSync('du', ['-sk', ...paths], { encoding: 'utf8' })
  .trim()
  .split('\n')
const installed = printed.map((line) => {
  const [kilobytes, path = ''] = line.split('\t')
  const { dev, devOptional } = packages[path] ?? {}
  const name = path.replace(/^node_modules\//, '')
  return { name, size: Number(kilobytes) / 1024, forApplications: !dev && !devOptional }
})

const sum = (some: typeof installed): string => some.reduce((total, { size }) => total + size, 0).toFixed(0)
console.log(`an application ${sum(installed.filter(({ forApplications }) => forApplications))} MB`)
console.log(`this repository ${sum(installed)} MB\n`)
for (const { name, size, forApplications } of installed.toSorted((a, b) => b.size - a.size))
  if (size >= WORTH_NAMING)
    console.log(`${size.toFixed(0).padStart(4)}  ${name}${forApplications ? '' : ' (development)'}`)
