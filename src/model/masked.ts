/** Secrets in what is shown: in errors, in the log, in `--json` output. */

/** From the user's name to the last `@`: a password that was not escaped may hold one. */
const PASSWORD = /(:\/+[^/:]*:).*@/gs

/** @returns a value as it may be shown: of `scheme://user:password@…` without the password */
export const masked = (text: string): string => text.replace(PASSWORD, '$1***@')
