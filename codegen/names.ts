/** Which names a task can have. */

/** What every object answers to, what makes an object a promise, and what code that inspects values asks for. */
const RESERVED = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  'then',
  'catch',
  'finally',
  'prototype',
  'toJSON',
  'default',
])

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u

/** @returns whether a name would break the client, which is an object that has tasks as its properties. */
export const isReserved = (name: string): boolean => RESERVED.has(name)

/** @returns whether a name can stand after a dot; `export { x as 'a-b' }` is legal and cannot. */
export const isIdentifier = (name: string): boolean => IDENTIFIER.test(name)

/** @returns another name to be shown in a cure: the same one made legal, or one more like it. */
export const suggestion = (name: string): string => {
  const camel = name.replace(/[^\p{ID_Continue}$]+(.?)/gu, (_, next: string) => next.toUpperCase())
  if (isReserved(camel)) return `${camel.replace(/^_+|_+$/g, '')}Task`
  if (!isIdentifier(camel)) return `task${camel}`
  return camel === name ? `${name}2` : camel
}
