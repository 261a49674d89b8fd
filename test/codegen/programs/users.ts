/** Modules that call what they obtained, and export what that makes: tasks, where it is `task`. */
import type { Defined, Module } from './module.ts'
import { type Making, obtain } from './obtain.ts'

/** Writes into `to` a few definitions with something that `from` exposes. */
export const define = (making: Making, to: Module, from: Module): void => {
  const [first, ...rest] = from.exposures
  if (first === undefined) return
  const exposure = making.tape.pick([first, ...rest])
  const callee = obtain(making, to, from, exposure)
  const found =
    to.syntax === 'esm'
      ? defineEsm(making, to, callee)
      : to.isTyped || making.tape.flip()
        ? defineWhole(making, to, callee)
        : defineNamed(making, to, callee)
  if (exposure.isTask) to.tasks.push(...found)
}

const fn = (to: Module): string => (to.isTyped ? '(n: number) => n' : '(n) => n')

const call = ({ tape }: Making, to: Module, callee: string): string =>
  tape.pick([
    `${callee}(${fn(to)})`,
    `${callee}({ retryCount: 1 }, ${fn(to)})`,
    `(${callee})(${fn(to)})`,
    `(${callee}(${fn(to)}))`,
    to.isTyped ? `${callee}(${fn(to)}) satisfies unknown` : `${callee}(function (n) { return n })`,
    to.isTyped ? `${callee}(${fn(to)})!` : `${callee}(async () => {})`,
  ])

const defineEsm = (making: Making, to: Module, callee: string): Defined[] =>
  Array.from({ length: 1 + making.tape.count(2) }).flatMap(() => {
    const { tape, style } = making
    const name = style.fresh('work')
    const inner = style.fresh('inner')
    const other = style.fresh('other')
    const value = (): string => call(making, to, callee)
    const named = `${callee}({ name: '${name}' }, ${fn(to)})`
    const hasDefault = to.body.some((line) => /\bdefault\b/.test(line))
    const byDefault: [string, string, ...Defined[]][] = [
      [`export default ${named}`, 'default'],
      [`const ${inner} = ${named}\nexport default ${inner}`, 'default'],
      [`const ${inner} = ${named}\nexport { ${inner} as default }`, 'default'],
      [`export const ${name} = ${value()}\nexport default ${name}`, name],
    ]
    const [text, exported, ...more] = tape.pick<[string, string, ...Defined[]]>([
      [`export const ${name} = ${value()}`, name],
      [`const ${name} = ${value()}\nexport { ${name} }`, name],
      [`export { ${name} }\nconst ${name} = ${value()}`, name],
      [`const ${inner} = ${value()}\nexport { ${inner} as ${name} }`, name],
      [`const ${inner} = ${value()}\nexport { ${inner} as '${name}' }`, name],
      [`const ${inner} = ${value()}\nexport { ${inner} as ${name}, ${inner} as ${other} }`, name],
      [`export const ${inner} = ${named}`, inner],
      [`export let ${name} = ${value()}`, name],
      [`export var ${name} = ${value()}`, name],
      [`export const ${name} = ${value()}\nexport { ${name} as ${other} }`, name],
      [`export const ${name} = ${value()}, ${other} = ${value()}`, name, { name: other, export: other }],
      [
        `/** A comment: export const lost = task(() => 1) */\nexport const ${name} = /* task( */ ${value()}`,
        name,
      ],
      [
        `const ${inner} = { name: '${name}', retryCount: 2 }${to.isTyped ? ' as const' : ''}\nexport const ${other} = ${callee}(${inner}, ${fn(to)})`,
        other,
      ],
      ...(hasDefault ? [] : byDefault),
    ])
    to.body.push(text)
    return [{ name, export: exported }, ...more]
  })

const defineNamed = (making: Making, to: Module, callee: string): Defined[] =>
  Array.from({ length: 1 + making.tape.count(2) }).map(() => {
    const { tape, style } = making
    const name = style.fresh('work')
    const inner = style.fresh('inner')
    const value = call(making, to, callee)
    const [text, exported] = tape.pick<readonly [string, string]>([
      [`exports.${name} = ${value}`, name],
      [`module.exports.${name} = ${value}`, name],
      [`const ${inner} = ${value}\nexports.${name} = ${inner}`, name],
      [`exports.${inner} = ${callee}({ name: '${name}' }, ${fn(to)})`, inner],
      [`exports['${name}'] = ${value}`, name],
      [`exports.${name} = exports.${inner} = ${value}`, name],
      [`const ${inner} = exports.${name} = ${value}`, name],
    ])
    to.body.push(text)
    return { name, export: exported }
  })

/** Once a module, as the last counts. */
const defineWhole = (making: Making, to: Module, callee: string): Defined[] => {
  const { tape, style } = making
  const whole = to.isTyped
    ? 'export ='
    : tape.pick(['module.exports =', 'module.exports = exports =', 'exports = module.exports ='])
  const single = style.fresh('work')
  if (tape.pick([false, false, true])) {
    to.body.push(`${whole} ${callee}({ name: '${single}' }, ${fn(to)})`)
    return [{ name: single, export: 'default' }]
  }
  const members = Array.from({ length: 1 + tape.count(2) }).map(() => {
    const name = style.fresh('work')
    const inner = style.fresh('inner')
    const value = call(making, to, callee)
    const [before, text, exported] = tape.pick<readonly [string, string, string]>([
      ['', `${name}: ${value}`, name],
      [`const ${name} = ${value}`, name, name],
      [`const ${inner} = ${value}`, `${name}: ${inner}`, name],
      ['', `'${name}': ${value}`, name],
      ['', `${inner}: ${callee}({ name: '${name}' }, ${fn(to)})`, inner],
      [`const ${inner} = ${value}`, `${name}: ${inner}, ${style.fresh('other')}: ${inner}`, name],
    ])
    if (before !== '') to.body.push(before)
    return { text, defined: { name, export: exported } }
  })
  to.body.push(`${whole} {\n  ${members.map(({ text }) => text).join(',\n  ')},\n}`)
  return members.map(({ defined }) => defined)
}

/** Code that looks like a definition. Whatever a module has imported, none of it makes a task. */
export const distract = ({ tape, style }: Making, to: Module, callee: string): void => {
  const any = to.isTyped ? ': any' : ''
  const name = style.fresh('no')
  const esm = to.syntax === 'esm'
  to.body.push(
    tape.pick([
      `// export const ${name} = ${callee}(() => 1)`,
      `const ${name} = "export const lost = ${callee}(() => 1)"`,
      `const ${name} = \`\n export const lost = ${callee}(() => 1)\n\``,
      `const ${name} = ((${callee}${any}) => ${callee}(() => 1))((fn${any}) => fn)`,
      `const ${name} = (({ ${callee} }${any}) => ${callee}(() => 1))({ ${callee}: (fn${any}) => fn })`,
      `function ${name}() {\n  function ${callee}(fn${any}) { return fn }\n  return ${callee}(() => 1)\n}`,
      `function ${name}() {\n  return ${callee}(() => 1)\n  var ${callee} = (fn${any}) => fn\n}`,
      `{\n  const ${callee} = (fn${any}) => fn\n  ${callee}(() => 1)\n}`,
      `for (const ${callee} of [(fn${any}) => fn]) ${callee}(() => 1)`,
      `try { throw (fn${any}) => fn } catch (${callee}${any}) { ${callee}(() => 1) }`,
      `const ${name} = { ${callee}: (fn${any}) => fn }\n${name}.${callee}(() => 1)`,
      `class ${name} {\n  ${callee}(fn${any}) { return this.${callee}(() => 1) }\n}`,
      `const ${name} = function ${callee}(fn${any}) { return fn && ${callee}(() => 1) }`,
      ...(esm && to.isTyped
        ? [`import type { task as ${name} } from 'ztask'\nexport type Of${name} = typeof ${name}`]
        : []),
      ...(esm
        ? [`import { isTask as ${name} } from 'ztask'\nexport const is${name} = ${name}(() => 1)`]
        : [`const ${name} = require('ztask').isTask(() => 1)`]),
    ] as unknown as [string, ...string[]]),
  )
}

/** Modules that hand on the tasks of another, which stay its own. */
export const republish = ({ tape, style }: Making, to: Module, from: Module, source: string): void => {
  const name = style.fresh('again')
  const [first] = from.tasks
  to.awaits ||= from.awaits
  if (to.syntax === 'cjs') {
    const whole = to.isTyped ? 'export =' : 'module.exports ='
    to.body.push(
      `${whole} ${tape.pick([`require(${source})`, `{ ...require(${source}) }`, `{ ${name}: require(${source}) }`])}`,
    )
    return
  }
  const named = first === undefined ? '' : `export { ${first.export} as ${name} } from ${source}`
  to.body.push(
    tape.pick([
      `export * from ${source}`,
      `export * as ${name} from ${source}`,
      named,
      `import * as ${name} from ${source}\nexport default ${name}`,
      first === undefined
        ? ''
        : `import { ${first.export} as ${name} } from ${source}\nexport const ${name}Too = ${name}`,
    ]),
  )
}
