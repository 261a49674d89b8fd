/** What is wrong where a server is the database, and not with a statement. No driver: a command that asks the daemon does without. */
import { DatabaseError } from '../model/errors.ts'
import { masked } from '../model/masked.ts'

const ADDRESS = 'Start the server, or check the address (--database, ZTASKD_DATABASE).'
const ROLE = 'Check the user and the password in the address (--database, ZTASKD_DATABASE).'

const RESTARTED = 'Wait until the server has started, and can be reached, then try again.'

/** By Node's codes, and the server's: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: ADDRESS,
  ECONNRESET: ADDRESS,
  EAI_AGAIN: ADDRESS,
  EHOSTUNREACH: ADDRESS,
  ENOENT: ADDRESS,
  ENOTFOUND: ADDRESS,
  ETIMEDOUT: ADDRESS,
  ERR_INVALID_URL: ADDRESS,
  '28000': ROLE, // invalid_authorization_specification
  '28P01': ROLE, // invalid_password
  '3D000': 'Make it (createdb), or name another (--database, ZTASKD_DATABASE).', // invalid_catalog_name
  '42501': 'Give the user that right, or run npx ztask migrate as one who has it.', // insufficient_privilege
  '53300': 'Allow the server more connections (max_connections), or end some.', // too_many_connections
  '57P01': RESTARTED, // admin_shutdown
  '57P02': RESTARTED, // crash_shutdown
  '57P03': RESTARTED, // cannot_connect_now
}
/** What the driver says, with no code, of a connection that has ended, is not made in time, or does not answer. */
const CUT = /^(Connection terminated|Connection timeout|timeout |Query read timeout)/

/** @returns a DatabaseError with the cure, where the server cannot be used as it is; else the error */
export const explainedOnServer = (name: string, error: Error): Error => {
  // Of several addresses of a host that all refuse it Node makes one error.
  const { code, errors } = error as { code?: string; errors?: readonly Error[] }
  const cure = code === undefined ? CUT.test(error.message) && RESTARTED : CURES[code]
  if (!cure) return error
  const reason = error.message || (errors?.[0]?.message ?? code)
  return new DatabaseError(
    `The database ${name} cannot be used: ${masked(String(reason))}. ${cure}`,
    { file: name },
    { cause: error },
  )
}
