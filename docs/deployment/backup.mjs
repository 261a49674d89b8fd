// node backup.mjs DATABASE COPY: a copy of the database in one piece, while the daemon runs.
import { DatabaseSync } from 'node:sqlite'

process.umask(0o077) // The arguments of jobs are nobody else's to read.
const [database, copy] = process.argv.slice(2)
const db = new DatabaseSync(database, { readOnly: true })
db.prepare('VACUUM INTO ?').run(copy)
db.close()
