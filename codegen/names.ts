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

/** @returns a name that is free to use, to be shown in a cure. */
export const suggestion = (name: string): string => {
  const base = name.replace(/[^\p{ID_Continue}$]/gu, '_').replace(/^_+/, '')
  return isReserved(name) || !isIdentifier(name) ? `${base === '' ? 'my' : base}Task` : `${base}2`
}
