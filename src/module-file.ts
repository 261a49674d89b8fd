/** Which modules are the project's own code: what else a process loads is not edited while it runs. */
import { fileURLToPath } from 'node:url'

/** Where this file is part of what npm installed, it is below node_modules; linked or built here, it is not. */
const OWN = new URL('..', import.meta.url).href

/** @returns the file behind a module's address; none where it is a package's, ztask's or Node's */
export const moduleFile = (url: string): string | undefined => {
  if (!url.startsWith('file:') || url.startsWith(OWN)) return undefined
  // tsx adds a query, and a configuration that is read again has one.
  const file = fileURLToPath(url.replace(/[?#].*$/, ''))
  return /[\\/]node_modules[\\/]/.test(file) ? undefined : file
}
