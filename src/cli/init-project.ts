/** What `ztask init` writes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { CONFIG_FILES } from '../config.ts'
import { ConfigError } from '../model/errors.ts'
import { newManifest, readManifest, withScripts } from './manifest.ts'
import { configFile, languageOf, type StarterFile, sampleTask } from './starter.ts'

/** One file of the project: its new text, and what is said of it; or why it is left alone. */
type Step = { readonly path: string; readonly said: string; readonly text?: string }

/** Writes what a project needs to begin, and says what is next. */
export const initProject = (root: string): void => {
  // All is read before anything is written: a package.json that cannot be read leaves no half of a project. And the
  // configuration is written last: where it is, a second run takes the sample for one that somebody deleted.
  const steps = plan(root)
  for (const { path, text } of steps.toReversed()) if (text !== undefined) write(join(root, path), text)
  for (const { path, said, text } of steps)
    process.stdout.write(`${text === undefined ? 'left alone' : 'wrote'.padEnd(10)}  ${path}${said}\n`)
  const sampled = steps.some(({ path, text }) => path.startsWith('src/') && text !== undefined)
  process.stdout.write(`\nNext:\n${nextCommands(root, sampled).join('\n')}\n`)
}

const plan = (root: string): Step[] => {
  const manifest = planManifest(root)
  const text = manifest.text ?? read(join(root, 'package.json'))
  const language = languageOf(root, readManifest(text, 'package.json'))
  return [...planStart(root, configFile(language), sampleTask(language)), manifest, planIgnore(root)]
}

/** A project that has its configuration has its tasks too: a sample that somebody deleted does not come back. */
const planStart = (root: string, config: StarterFile, sample: StarterFile): Step[] => {
  const known = CONFIG_FILES.find((name) => existsSync(join(root, name)))
  if (known !== undefined) return [{ path: known, said: ': it is there already, so no sample task either' }]
  if (existsSync(join(root, sample.path)))
    return [
      { ...config, said: '' },
      { path: sample.path, said: ': it is there already' },
    ]
  return [
    { ...config, said: '' },
    { ...sample, said: ': a sample task, greet' },
  ]
}

const planManifest = (root: string): Step => {
  const path = 'package.json'
  const file = join(root, path)
  if (!existsSync(file)) {
    refuseInside(root)
    return { path, said: '', text: newManifest(root) }
  }
  const before = read(file)
  readManifest(before, file)
  const { text, added } = withScripts(before)
  if (added.length === 0) return { path, said: ': it has the scripts already' }
  return { path, said: `: the script${added.length > 1 ? 's' : ''} ${added.join(' and ')}`, text }
}

/** In a folder of somebody's package npm would install into that package, and a second one is hardly meant. */
const refuseInside = (root: string): void => {
  for (let dir = dirname(root); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json')))
      throw new ConfigError(
        `There is no package.json here, but one in ${dir}. Run ztask init there; or run npm init -y here first, for a package of its own.`,
        { file: join(dir, 'package.json') },
      )
    if (dirname(dir) === dir) return
  }
}

const IGNORED = '.ztask/'

const planIgnore = (root: string): Step => {
  const path = '.gitignore'
  const before = existsSync(join(root, path)) ? read(join(root, path)) : ''
  if (/^\/?\.ztask\/?\s*$/m.test(before)) return { path, said: `: it has ${IGNORED} already` }
  const eol = before.includes('\r\n') ? '\r\n' : '\n'
  const gap = before === '' || before.endsWith('\n') ? '' : eol
  return { path, said: `: ${IGNORED}, the database`, text: `${before}${gap}${IGNORED}${eol}` }
}

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw cannotBe('read', file, cause)
  }
}

const write = (file: string, text: string): void => {
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  } catch (cause) {
    throw cannotBe('written', file, cause)
  }
}

const cannotBe = (done: string, file: string, cause: unknown): ConfigError => {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ConfigError(
    `${file} cannot be ${done}: ${reason}. Mend that, and run ztask init again.`,
    { file },
    { cause },
  )
}

const nextCommands = (root: string, sampled: boolean): string[] => {
  const commands = [
    '  npx ztask daemon                    # in a terminal of its own',
    sampled ? `  npx ztask run greet '["world"]'` : '  npx ztask status',
  ]
  try {
    createRequire(join(root, 'package.json')).resolve('ztask/package.json')
    return commands
  } catch {
    // Run by npx from its cache, say.
    return ['  npm install ztask', ...commands]
  }
}
