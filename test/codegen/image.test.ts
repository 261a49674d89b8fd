/** What production runs: an image with the build's output, package.json and the packages, and nothing else. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXECUTABLE, REPOSITORY, type RunningProcess } from '../harness/process.ts'
import { copyProject, type TestProject } from '../harness/project.ts'

const TSC = resolve(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
const SOURCES = resolve(import.meta.dirname, '../fixtures/projects/commonjs-service')

let packed: string
beforeAll(() => {
  packed = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-packed-')))
  // What would be packed is copied: a machine may have no tar.
  const said = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--silent'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  })
  for (const path of pathsOf(JSON.parse(said))) cpSync(join(REPOSITORY, path), join(packed, path))
})
afterAll(() => rmSync(packed, { recursive: true, force: true }))

/** npm 11 lists the packages, npm 12 has them by their names. */
const pathsOf = (packages: Record<string, { files: { path: string }[] }>): string[] =>
  Object.values(packages).flatMap(({ files }) => files.map(({ path }) => path))

const runs = async (running: RunningProcess): Promise<void> => {
  const { code, stdout, stderr } = await running.ended
  expect(code, stdout + stderr).toBe(0)
}

/** A project that is generated, and built into a folder. */
const builtInto = async (outDir: string, rootDir?: string): Promise<TestProject> => {
  const project = await copyProject(SOURCES)
  const tsconfig = readFileSync(project.path('tsconfig.json'), 'utf8')
  project.write(
    'tsconfig.json',
    tsconfig
      .replace('"outDir": "dist"', `"outDir": "${outDir}"`)
      .replace('"rootDir": "src"', `"rootDir": "${rootDir ?? 'src'}"`),
  )
  await runs(project.start([EXECUTABLE, 'generate']))
  await runs(project.start([TSC]))
  return project
}

/** An image of some of a project's files, with the package as it is published, and its dependencies. */
const imageOf = async (project: TestProject, ...files: string[]): Promise<TestProject> => {
  for (const file of ['package.json', ...files])
    cpSync(project.path(file), project.path(join('image', file)), { recursive: true })
  const image = await copyProject(project.path('image'))
  rmSync(image.path('node_modules'), { recursive: true })
  cpSync(packed, image.path('node_modules/ztask'), { recursive: true })
  for (const name of Object.keys(
    JSON.parse(readFileSync(`${REPOSITORY}package.json`, 'utf8')).dependencies,
  )) {
    // Compiled code needs neither the parser nor the loader of TypeScript: without them it shows.
    if (name === 'ts-morph' || name === 'tsx') continue
    mkdirSync(dirname(image.path(`node_modules/${name}`)), { recursive: true })
    symlinkSync(join(REPOSITORY, 'node_modules', name), image.path(`node_modules/${name}`))
  }
  return image
}

const serve = async (
  image: TestProject,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningProcess> => {
  const executable = image.path('node_modules/ztask/bin/ztask.js')
  const daemon = image.start([executable, 'daemon', '--noreload', '--workers', '1'], env)
  await daemon.prints(/Listening on/)
  return daemon
}

test('dist/ and package.json are enough for the daemon and the client', async () => {
  const image = await imageOf(await builtInto('dist'), 'dist')
  await serve(image)
  await runs(image.start(['dist/main.js', 'may']))
  await image.hasRun('report:may:report')
})

test('so they are where the build keeps the folder of the sources', async () => {
  const image = await imageOf(await builtInto('dist', '.'), 'dist')
  await serve(image)
  await runs(image.start(['dist/src/main.js', 'may']))
  await image.hasRun('report:may:report')
})

test('another outDir is found by tsconfig.json, or named by the setting', async () => {
  const project = await builtInto('build/out')
  const image = await imageOf(project, 'build', 'tsconfig.json')
  const daemon = await serve(image)
  await runs(image.start(['build/out/main.js', 'may']))
  await image.hasRun('report:may:report')
  await daemon.kill('SIGTERM')
  rmSync(image.path('tsconfig.json'))
  await serve(image, { ZTASKD_REGISTRY: 'build/out/ztask/registry.js' })
  await runs(image.start(['build/out/main.js', 'june']))
  await image.hasRun('report:june:report')
})

test('an application that is one file, and workers that are another', async () => {
  const project = await builtInto('dist')
  const bundle = (entry: string, outfile: string) =>
    build({
      entryPoints: [project.path(entry)],
      outfile: project.path(outfile),
      bundle: true,
      minify: true,
      platform: 'node',
      external: ['ztask'],
    })
  await bundle('src/main.ts', 'bundled/main.js')
  await bundle('src/ztask/registry.ts', 'bundled/report.js')
  const image = await imageOf(project, 'bundled')
  await serve(image, { ZTASKD_REGISTRY: 'bundled/report.js' })
  await runs(image.start(['bundled/main.js', 'may']))
  await image.hasRun('report:may:report')
})
