/** What `ztask init` writes: a configuration and one task, in the language of the project. */
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'

/** How the sample task is written: as TypeScript, or as the two kinds of modules in JavaScript. */
export type Language = 'typescript' | 'module' | 'commonjs'

export interface Manifest {
  readonly type?: unknown
  readonly dependencies?: Readonly<Record<string, unknown>>
  readonly devDependencies?: Readonly<Record<string, unknown>>
}

/** A file by its path in the project. */
export interface StarterFile {
  readonly path: string
  readonly text: string
}

/** @returns the language of a project; of one that has no sources yet, TypeScript */
export const languageOf = (root: string, { type, dependencies, devDependencies }: Manifest): Language => {
  const compiled = { ...dependencies, ...devDependencies }.typescript !== undefined
  if (compiled || existsSync(join(root, 'tsconfig.json')) || !hasOnlyJavaScript(root)) return 'typescript'
  return type === 'module' ? 'module' : 'commonjs'
}

const hasOnlyJavaScript = (root: string): boolean => {
  const sources = (endings: string): string[] => globSync(`{*,src/**/*}.{${endings}}`, { cwd: root })
  return sources('js,mjs,cjs,jsx').length > 0 && sources('ts,mts,cts,tsx').length === 0
}

const CONFIG = `import { defineConfig } from 'ztask'

// Data only. The README of ztask lists every setting with its default; the environment wins over this file.
export default defineConfig({
  // A run that throws is tried again: so often, so many seconds apart.
  retryCount: 5,
  retryAfter: 5,
})
`

/** @returns the configuration; `.mjs` in JavaScript, as it is then the same in every type of package */
export const configFile = (language: Language): StarterFile => ({
  path: language === 'typescript' ? 'ztask.config.ts' : 'ztask.config.mjs',
  text: CONFIG,
})

const TYPESCRIPT = `import { task } from 'ztask'

/** Says hello. */
export const greet = task((name: string) => {
  console.log(\`Hello, \${name}!\`)
})
`

const javascript = (before: string, name: string): string => `${before}

/**
 * Says hello.
 *
 * @param {string} name
 */
${name} = task((name) => {
  console.log(\`Hello, \${name}!\`)
})
`

/** @returns the sample task, `greet` */
export const sampleTask = (language: Language): StarterFile => {
  switch (language) {
    case 'typescript':
      return { path: 'src/tasks.ts', text: TYPESCRIPT }
    case 'module':
      return { path: 'src/tasks.js', text: javascript(`import { task } from 'ztask'`, 'export const greet') }
    case 'commonjs':
      return {
        path: 'src/tasks.js',
        text: javascript(`const { task } = require('ztask')`, 'exports.greet'),
      }
  }
}
