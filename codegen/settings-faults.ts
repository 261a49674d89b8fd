/** Compiler options with which what generate writes cannot be compiled or run. Each was tried: docs/codegen.md. */
import { ts } from 'ts-morph'
import type { ProblemCode } from './problem.ts'

/** What a project is, beside its compiler options. */
export interface ProjectFacts {
  /** Whether package.json makes its `.ts` files ES modules. */
  readonly esm: boolean
  /** A file with tasks that is JavaScript. */
  readonly javascript: string | undefined
  /** Whether tsconfig.json includes the folder of the generated files. */
  readonly includesOutput: boolean
  /** Whether workers have something to load that has decorator metadata. */
  readonly hasMetadata: boolean
  /** The folder of the generated files. */
  readonly output: string
  /** Where tsconfig.json holds nothing but references: the file among them that has path aliases. */
  readonly aliasesIn: string | undefined
}

/** An option that cannot work. */
export interface SettingFault {
  readonly option: string
  readonly code: ProblemCode
  readonly message: string
  readonly cure: string
}

type Rule = (options: ts.CompilerOptions, facts: ProjectFacts) => SettingFault | undefined

/** @returns what cannot work, in no order. */
export const settingsFaults = (options: ts.CompilerOptions, facts: ProjectFacts): SettingFault[] =>
  RULES.flatMap((rule) => rule(options, facts) ?? [])

const { ModuleKind, ModuleResolutionKind } = ts

const NOT_NODES: readonly (ts.ModuleKind | undefined)[] = [
  ModuleKind.None,
  ModuleKind.AMD,
  ModuleKind.UMD,
  ModuleKind.System,
]

const PRESENT = 'Set "module" to "nodenext"; or to "preserve", where a bundler builds the project.'

const notNodes: Rule = ({ module }) =>
  NOT_NODES.includes(module)
    ? {
        option: 'module',
        code: 'module-kind',
        message: `Node loads no modules of "module": "${ModuleKind[module ?? 0]?.toLowerCase()}", and TypeScript finds no packages by it.`,
        cure: PRESENT,
      }
    : undefined

const es2015: Rule = ({ module }) =>
  module === ModuleKind.ES2015
    ? {
        option: 'module',
        code: 'module-kind',
        message: '"module": "es2015" has no dynamic import, by which the registry loads tasks: TS1323.',
        cure: PRESENT,
      }
    : undefined

const requiresEsm: Rule = ({ module }, { esm }) =>
  !esm && (module === ModuleKind.Node16 || module === ModuleKind.Node18)
    ? {
        option: 'module',
        code: 'module-kind',
        message: `With "module": "${ModuleKind[module].toLowerCase()}" a CommonJS file cannot import ztask, which is an ES module: TS1479.`,
        cure: 'Set "module" to "node20" or "nodenext": Node itself can, from version 20.19.',
      }
    : undefined

const classic: Rule = ({ moduleResolution }) =>
  moduleResolution === ModuleResolutionKind.Classic
    ? {
        option: 'moduleResolution',
        code: 'module-resolution',
        message: '"moduleResolution": "classic" finds no package, and so not ztask.',
        cure: 'Leave it out, with "module": "nodenext"; or set "bundler".',
      }
    : undefined

const verbatim: Rule = ({ verbatimModuleSyntax, module = ModuleKind.ESNext }, { esm }) => {
  const commonjs =
    module === ModuleKind.CommonJS || (!esm && module >= ModuleKind.Node16 && module <= ModuleKind.NodeNext)
  return verbatimModuleSyntax === true && commonjs
    ? {
        option: 'verbatimModuleSyntax',
        code: 'verbatim-commonjs',
        message:
          'verbatimModuleSyntax allows no `import` in a CommonJS file, and the generated files have it.',
        cure: 'Set "type": "module" in package.json with "module": "nodenext", or leave verbatimModuleSyntax out.',
      }
    : undefined
}

const allowJs: Rule = ({ allowJs, checkJs }, { javascript }) =>
  javascript !== undefined && !(allowJs ?? checkJs ?? false)
    ? {
        option: 'allowJs',
        code: 'allow-js',
        message: `${javascript} has tasks, and tsconfig.json does not allow JavaScript: client.ts cannot have their types.`,
        cure: 'Set "allowJs": true.',
      }
    : undefined

const composite: Rule = ({ composite }, { includesOutput, output }) =>
  composite === true && !includesOutput
    ? {
        option: 'include',
        code: 'output-not-included',
        message: `A composite project must list all its files, and tsconfig.json does not include ${output}: TS6307.`,
        cure: `Add "${output}" to "include".`,
      }
    : undefined

const solution: Rule = (_, { aliasesIn }) =>
  aliasesIn === undefined
    ? undefined
    : {
        option: 'references',
        code: 'solution-tsconfig',
        message: `tsconfig.json only refers to others, and the path aliases in ${aliasesIn} are seen neither here nor by workers: tasks behind them are not found.`,
        cure: 'Put "paths" into tsconfig.json, and let the other file extend it.',
      }

const decoratorMetadata: Rule = ({ emitDecoratorMetadata }, { hasMetadata }) =>
  emitDecoratorMetadata === true && !hasMetadata
    ? {
        option: 'emitDecoratorMetadata',
        code: 'decorator-metadata',
        message:
          'Workers load TypeScript by tsx, which emits no decorator metadata; and there is no compiled registry.',
        cure: "Build the project, and workers load what was compiled; or name a loader that emits it in the setting 'loader'.",
      }
    : undefined

const RULES: readonly Rule[] = [
  notNodes,
  es2015,
  requiresEsm,
  classic,
  verbatim,
  allowJs,
  composite,
  solution,
  decoratorMetadata,
]
